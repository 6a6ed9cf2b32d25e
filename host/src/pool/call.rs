//! Calling the hub's plugin: within a time limit, and without trusting it not to panic.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use plugin_api::{Context, Error, ErrorCode, Fault, Retry};

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CallError {
    /// It did not end in time; it has been dropped.
    TimedOut(Duration),
    /// It panicked.
    Panicked(String),
    /// It said so itself.
    Failed(Error),
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::TimedOut(limit) => {
                let limit = humantime::format_duration(limit);
                Error::new(
                    ErrorCode::TIMEOUT,
                    Fault::Plugin,
                    format!("the hub did not answer within {limit}"),
                )
                .retry(Retry::Now)
            }
            CallError::Panicked(what) => Error::new(
                ErrorCode::PANICKED,
                Fault::Plugin,
                format!("the hub's plugin panicked: {what}"),
            ),
            CallError::Failed(error) => error,
        }
    }
}

/// Calls, and drops the call when the limit has passed. Cancel safe if the plugin's method is.
pub(super) async fn bounded<'a, T>(
    limit: Duration,
    what: &str,
    call: impl FnOnce(Context) -> BoxFuture<'a, Result<T, Error>>,
) -> Result<T, CallError> {
    let context = Context::background(what).within(limit);
    // Whatever the plugin left half done is its own; the host keeps nothing that a panic could have broken.
    let guarded = AssertUnwindSafe(async move { call(context).await }).catch_unwind();
    match tokio::time::timeout(limit, guarded).await {
        Err(_) => Err(CallError::TimedOut(limit)),
        Ok(Err(panic)) => Err(CallError::Panicked(message(&*panic))),
        Ok(Ok(Err(error))) if error.code == ErrorCode::PANICKED => Err(CallError::Panicked(error.message)),
        Ok(Ok(Err(error))) => Err(CallError::Failed(error)),
        Ok(Ok(Ok(value))) => Ok(value),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it did not say why".to_owned())
}
