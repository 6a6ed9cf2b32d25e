//! The context of a call: who asks, until when, and whether they still want it.

use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

/// Who asks, until when, and whether they still want the answer. Cheap to clone; pass it on to every call
/// you make on the caller's behalf.
///
/// Cancellation comes in three steps: [`cancelled`](Self::cancelled) resolves (tell your resource to stop),
/// a short grace passes (250 ms unless configured), then the future is dropped at its next await.
#[derive(Debug, Clone)]
pub struct Context {
    /// The request's id, the same in every log line and header it causes.
    pub request_id: String,
    /// When the caller stops waiting. `None`: it waits as long as the work takes.
    pub deadline: Option<SystemTime>,
    /// The caller's W3C trace context, if it sent one.
    pub traceparent: Option<String>,
    /// The name of the caller's key; `anonymous` where none is wanted.
    pub principal: String,
    pub(crate) cancellation: CancellationToken,
}

impl Context {
    /// A context for work that nobody in particular asked for, such as a probe.
    pub fn background(request_id: impl Into<String>) -> Self {
        Self {
            request_id: request_id.into(),
            deadline: None,
            traceparent: None,
            principal: "host".to_owned(),
            cancellation: CancellationToken::new(),
        }
    }

    /// The same context with a deadline this far from now, unless it already has an earlier one.
    pub fn within(mut self, limit: Duration) -> Self {
        let new = SystemTime::now() + limit;
        self.deadline = Some(self.deadline.map_or(new, |old| old.min(new)));
        self
    }

    /// How long the caller still waits; zero when it no longer does.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| {
            deadline
                .duration_since(SystemTime::now())
                .unwrap_or(Duration::ZERO)
        })
    }

    /// Resolves when the caller no longer wants the answer. Cancel safe.
    pub async fn cancelled(&self) {
        self.cancellation.cancelled().await;
    }

    /// Whether the caller no longer wants the answer.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    /// The token behind [`cancelled`](Self::cancelled), to hand to code that takes one.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }
}
