//! The host's side: a component as ordinary methods, and the host as the component sees it.
//!
//! The host's drivers and the harness for tests are both thin layers over this, so a plugin under test takes the same
//! way through the boundary as a plugin in service.

mod bridge;
mod hub;
mod polite;
mod provider;

pub use bridge::{Bridge, Log};
pub use hub::HubClient;
pub use polite::Grace;
pub use provider::ProviderClient;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use abi_stable::std_types::{RErr, ROk};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::raw::{AbiError, RawPluginBox};
use super::shared::bytes::received;
use super::wire::{context, from_json, to_json};
use crate::{ByteStream, Context, Error, ErrorCode};
use polite::{Link, Polite};

/// A component across the boundary. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    link: Link,
    next: Arc<AtomicU64>,
    panics: Arc<AtomicU64>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Client")
    }
}

impl Client {
    /// A client of this component. Panics it answers with are counted in `panics`, besides those that its
    /// [`Bridge`] counts there.
    pub fn new(raw: RawPluginBox, grace: Grace, panics: Arc<AtomicU64>) -> Self {
        Self {
            link: Link {
                raw: Arc::new(raw),
                grace,
            },
            next: Arc::new(AtomicU64::new(1)),
            panics,
        }
    }

    /// How many times the component has panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// What the component can say of itself; null where it cannot.
    pub fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&status(&self.link.raw)).unwrap_or_default()
    }

    /// Whether it offers an extension.
    pub fn has_extension(&self, id: &str) -> bool {
        self.link.raw.extension(id.into()).is_some()
    }

    /// A question that is answered at once. `[any thread, microseconds]`
    ///
    /// # Errors
    /// The component's own.
    pub fn query(&self, op: &str, payload: &[u8]) -> Result<Bytes, Error> {
        match self.link.raw.query(op.into(), payload.into()) {
            ROk(bytes) => Ok(received(bytes)),
            RErr(error) => Err(self.failed(error)),
        }
    }

    /// A decision. `[any thread, microseconds]`
    ///
    /// # Errors
    /// The component's own.
    pub fn decide(&self, head: &[u8], body: &[u8]) -> Result<Bytes, Error> {
        match self.link.raw.decide(head.into(), body.into()) {
            ROk(bytes) => Ok(received(bytes)),
            RErr(error) => Err(self.failed(error)),
        }
    }

    /// Work with one answer. Dropping the future tells the component, and drops the work after the grace.
    ///
    /// # Errors
    /// The component's own.
    pub fn call(
        &self,
        op: &str,
        context: &Context,
        payload: Vec<u8>,
    ) -> impl Future<Output = Result<Bytes, Error>> + Send + 'static {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let begun = context::encode(context).map(|wire| {
            let answer = self
                .link
                .raw
                .call(number, op.into(), wire.as_slice().into(), payload.into());
            Polite::new(self.link.clone(), number, answer)
        });
        let client = self.clone();
        let cancellation = context.cancellation.clone();
        async move {
            match begun?.until(cancellation).await {
                ROk(bytes) => Ok(received(bytes)),
                RErr(error) => Err(client.failed(error)),
            }
        }
    }

    /// Work with one answer, message and answer as JSON.
    ///
    /// # Errors
    /// The component's own, or that one of them cannot be read.
    pub async fn call_json<R: DeserializeOwned>(
        &self,
        op: &str,
        context: &Context,
        message: &impl Serialize,
    ) -> Result<R, Error> {
        let payload = to_json("a message to a component", message)?;
        let answer = self.call(op, context, payload).await?;
        from_json("a component's answer", &answer)
    }

    /// Work that may answer with a stream. Dropping the future, or the stream before its end, tells the component,
    /// and drops the work after the grace.
    ///
    /// # Errors
    /// The component's own.
    pub fn open(
        &self,
        op: &str,
        context: &Context,
        payload: Vec<u8>,
    ) -> impl Future<Output = Result<(Bytes, Option<ByteStream>), Error>> + Send + 'static {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let begun = context::encode(context).map(|wire| {
            let answer = self
                .link
                .raw
                .open(number, op.into(), wire.as_slice().into(), payload.into());
            Polite::new(self.link.clone(), number, answer)
        });
        let client = self.clone();
        let cancellation = context.cancellation.clone();
        async move {
            match begun?.until(cancellation).await {
                ROk(opened) => {
                    let stream = opened.stream.into_option();
                    let stream =
                        stream.map(|stream| polite::stream(client.link, number, stream, client.panics));
                    Ok((received(opened.head), stream))
                }
                RErr(error) => Err(client.failed(error)),
            }
        }
    }

    /// Ends the component: no new work, a word to the present, the grace, the end. May be repeated.
    pub fn shutdown(&self, grace: Duration) -> impl Future<Output = ()> + Send + 'static {
        let millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.link.raw.shutdown(millis)
    }

    fn failed(&self, error: AbiError) -> Error {
        let error = Error::from(error);
        count(&self.panics, &error);
        error
    }
}

/// Counts an error that tells of a panic, unless the panic hook has told the host already.
fn count(panics: &AtomicU64, error: &Error) {
    if error.code == ErrorCode::PANICKED && !error.details.contains_key("panic") {
        panics.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(not(feature = "matrix-older"))]
fn status(raw: &RawPluginBox) -> Vec<u8> {
    raw.status().into()
}

#[cfg(feature = "matrix-older")]
fn status(_raw: &RawPluginBox) -> Vec<u8> {
    Vec::new()
}
