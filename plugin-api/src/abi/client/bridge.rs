//! The host as a component sees it: the services behind the raw interface, and the log.

use std::collections::HashSet;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{RErr, RNone, ROk, ROption, RSlice, RSome, RStr, RVec};
use async_ffi::{FfiFuture, FutureExt as _};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::super::wire::services::{self as ops, Forward, Forwarded, Lost, MethodCall, Publish, Release};
use crate::abi::raw::{
    BytesResult, OpenResult, RawExtensionBox, RawHost, RawHost_TO, RawHostBox, RawOpened, RawStreamBox,
};
use crate::abi::shared::bytes::received;
use crate::abi::shared::contain::{Contained, Panic};
use crate::abi::shared::stream;
use crate::abi::shared::task::AbortOnDrop;
use crate::abi::wire::log::{LogRecord, level_of};
use crate::abi::wire::{context, frame, from_json, to_json, unreadable};
use crate::contract::outcome::Outcome;
use crate::host::{Control, ForwardRequest, Services, Variant};
use crate::{ByteStream, Context, Error, ErrorCode, Fault};

/// Where a component's events go.
pub trait Log: Send + Sync + 'static {
    /// Whether anybody would see an event of this level and target.
    fn enabled(&self, level: tracing::Level, target: &str) -> bool;
    /// An event.
    fn emit(&self, level: tracing::Level, target: &str, record: LogRecord);
}

/// One component's line to the host. Cheap to clone; the raw half goes to the component, this half stays with who
/// closes it.
#[derive(Clone)]
pub struct Bridge {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Bridge {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Bridge")
    }
}

struct Inner {
    services: Arc<dyn Services>,
    log: Arc<dyn Log>,
    runtime: Handle,
    panics: Arc<AtomicU64>,
    /// Fires at the end: what is under way is dropped, what comes later is refused.
    gone: CancellationToken,
    /// What the component holds: it can release no other, and none is left when it goes. Held for a look-up.
    leases: Mutex<HashSet<u64>>,
}

impl Bridge {
    /// A line to these services, which run on this runtime. Panics that the component reports are counted in
    /// `panics`.
    pub fn new(
        services: Arc<dyn Services>,
        log: Arc<dyn Log>,
        runtime: Handle,
        panics: Arc<AtomicU64>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                services,
                log,
                runtime,
                panics,
                gone: CancellationToken::new(),
                leases: Mutex::default(),
            }),
        }
    }

    /// The half that goes to the component.
    pub fn raw(&self) -> RawHostBox {
        RawHost_TO::from_value(Raw(self.inner.clone()), TD_Opaque)
    }

    /// Ends it: whatever the component still holds is released, whatever it still asks is answered `GONE`. May be
    /// repeated.
    pub fn close(&self) {
        self.inner.gone.cancel();
        let held: Vec<u64> = self.inner.leases().drain().collect();
        for lease in held {
            self.inner.services.release(lease, Outcome::Cancelled);
        }
    }
}

impl Inner {
    fn leases(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(&self, lease: u64, outcome: Outcome) {
        if self.leases().remove(&lease) {
            self.services.release(lease, outcome);
        }
    }

    /// Runs one of the host's services on the host's runtime, for as long as the component exists and waits.
    fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> AbortOnDrop<Result<T, Error>> {
        let gone = self.gone.clone();
        let contained = Contained::new(work, |_| {});
        AbortOnDrop::new(self.runtime.spawn(async move {
            tokio::select! {
                biased;
                () = gone.cancelled() => Err(gone_error()),
                result = contained => match result {
                    Ok(result) => result,
                    Err(panic) => Err(host_panicked(&panic)),
                },
            }
        }))
    }

    async fn call(self: &Arc<Self>, op: &str, context: Context, payload: Bytes) -> Result<Answer, Error> {
        let services = &self.services;
        let answer = match op {
            ops::LEASE => {
                let requirement = from_json("a requirement", &payload)?;
                let grant = services.lease(&context, &requirement).await?;
                let held = Held {
                    inner: self.clone(),
                    lease: Some(grant.lease),
                };
                self.leases().insert(grant.lease);
                return Ok(Answer {
                    bytes: to_json("a lease", &grant)?,
                    held: Some(held),
                });
            }
            ops::CALL => {
                let MethodCall { method, params } = from_json("a method call", &payload)?;
                to_json("a result", &services.call(&context, &method, params).await?)?
            }
            ops::INSTANCES => to_json("instances", &services.instances(&context).await?)?,
            ops::BINDINGS => to_json("bindings", &services.bindings(&context).await?)?,
            ops::SECRET => {
                let name: String = from_json("a secret's name", &payload)?;
                to_json("a secret", &services.secret(&name).await?)?
            }
            other => return Err(Error::unsupported(format!("the host's service `{other}`"))),
        };
        Ok(Answer {
            bytes: answer,
            held: None,
        })
    }

    async fn open(&self, op: &str, context: Context, payload: Bytes) -> Result<(Vec<u8>, ByteStream), Error> {
        let services = &self.services;
        match op {
            ops::FORWARD => {
                let answer = services.forward(&context, decode_forward(&payload)?).await?;
                let head = Forwarded {
                    status: answer.status,
                    headers: answer.headers,
                    instance: answer.instance,
                    dialect: answer.dialect,
                    attempts: answer.attempts,
                };
                Ok((to_json("an instance's answer", &head)?, answer.body))
            }
            ops::OPEN => {
                let MethodCall { method, params } = from_json("a method call", &payload)?;
                Ok((Vec::new(), services.open(&context, &method, params).await?))
            }
            ops::CONTROL => {
                let control: Control = from_json("a verb", &payload)?;
                Ok((Vec::new(), services.control(&context, control).await?))
            }
            other => Err(Error::unsupported(format!("the host's service `{other}`"))),
        }
    }

    fn produce(self: &Arc<Self>, stream: ByteStream) -> RawStreamBox {
        let (producer, reader) = stream::channel();
        let last_words = producer.clone();
        let feeding = self.spawn(async move {
            producer.drain(stream).await;
            Ok(())
        });
        let task = self.runtime.spawn(async move {
            if let Ok(Err(error)) = feeding.await {
                last_words.send(Err(error)).await;
            }
        });
        stream::raw(reader, AbortOnDrop::new(task))
    }
}

/// An answer, and what is to be undone if nobody takes it.
struct Answer {
    bytes: Vec<u8>,
    held: Option<Held>,
}

/// A lease that has been granted and not yet been received: a component that stops waiting at that very moment would
/// otherwise hold it without knowing.
struct Held {
    inner: Arc<Inner>,
    lease: Option<u64>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.inner.release(lease, Outcome::Cancelled);
        }
    }
}

struct Raw(Arc<Inner>);

impl RawHost for Raw {
    fn emit(&self, level: u8, target: RStr<'_>, record: RSlice<'_, u8>) {
        let record: LogRecord = serde_json::from_slice(record.as_slice()).unwrap_or_else(|error| LogRecord {
            message: format!("an event that cannot be read: {error}"),
            ..LogRecord::default()
        });
        if record.panic {
            self.0.panics.fetch_add(1, Ordering::Relaxed);
        }
        self.0.log.emit(level_of(level), target.as_str(), record);
    }

    fn notify(&self, op: RStr<'_>, payload: RSlice<'_, u8>) {
        let payload = payload.as_slice();
        match op.as_str() {
            ops::RELEASE => {
                if let Ok(Release { lease, outcome }) = serde_json::from_slice(payload) {
                    self.0.release(lease, outcome);
                }
            }
            ops::PUBLISH if !self.0.gone.is_cancelled() => {
                if let Ok(Publish { kind, data }) = serde_json::from_slice(payload) {
                    self.0.services.publish(&kind, data);
                }
            }
            ops::WARM if !self.0.gone.is_cancelled() => {
                if let Ok(requirement) = serde_json::from_slice(payload) {
                    self.0.services.warm(&requirement);
                }
            }
            ops::LOST if !self.0.gone.is_cancelled() => {
                if let Ok(Lost { instance, reason }) = serde_json::from_slice(payload) {
                    self.0.services.lost(&instance, &reason);
                }
            }
            // A newer component's word that this host has no use for.
            _ => {}
        }
    }

    fn call(&self, op: RStr<'_>, context: RSlice<'_, u8>, payload: RVec<u8>) -> FfiFuture<BytesResult> {
        let op = op.as_str().to_owned();
        let context = context::decode(context.as_slice(), CancellationToken::new());
        let inner = self.0.clone();
        let task = self
            .0
            .spawn(async move { inner.call(&op, context?, received(payload)).await });
        async move {
            match task.await.unwrap_or_else(|_| Err(gone_error())) {
                Ok(Answer { bytes, held }) => {
                    // From here on the component knows of it.
                    if let Some(mut held) = held {
                        held.lease = None;
                    }
                    ROk(bytes.into())
                }
                Err(error) => RErr(error.into()),
            }
        }
        .into_ffi()
    }

    fn open(&self, op: RStr<'_>, context: RSlice<'_, u8>, payload: RVec<u8>) -> FfiFuture<OpenResult> {
        let op = op.as_str().to_owned();
        let context = context::decode(context.as_slice(), CancellationToken::new());
        let inner = self.0.clone();
        let task = self.0.spawn(async move {
            let (head, stream) = inner.open(&op, context?, received(payload)).await?;
            Ok(RawOpened {
                head: head.into(),
                stream: RSome(inner.produce(stream)),
            })
        });
        async move {
            match task.await.unwrap_or_else(|_| Err(gone_error())) {
                Ok(opened) => ROk(opened),
                Err(error) => stream::refused(error),
            }
        }
        .into_ffi()
    }

    fn extension(&self, _id: RStr<'_>) -> ROption<RawExtensionBox> {
        RNone
    }

    #[cfg(not(feature = "matrix-older"))]
    fn enabled(&self, level: u8, target: RStr<'_>) -> bool {
        self.0.log.enabled(level_of(level), target.as_str())
    }

    #[cfg(all(feature = "matrix-newer", not(feature = "matrix-older")))]
    fn echo(&self, number: u64) -> u64 {
        number
    }
}

fn decode_forward(payload: &Bytes) -> Result<ForwardRequest, Error> {
    let (head, mut bodies): (Forward, Bytes) = frame::decode("a request to forward", payload)?;
    let mut variants = Vec::with_capacity(head.variants.len());
    for variant in head.variants {
        if variant.length > bodies.len() {
            return Err(unreadable("a request to forward", "its bodies are cut short"));
        }
        variants.push(Variant {
            dialect: variant.dialect,
            method: variant.method,
            path: variant.path,
            headers: variant.headers,
            body: bodies.split_to(variant.length),
            relay: variant.relay,
        });
    }
    Ok(ForwardRequest {
        requirement: head.requirement,
        variants,
        relay: head.relay,
    })
}

fn gone_error() -> Error {
    Error::new(
        ErrorCode::GONE,
        Fault::Plugin,
        "the component has been shut down and the host no longer serves it",
    )
}

fn host_panicked(panic: &Panic) -> Error {
    let place = panic.location.as_deref().unwrap_or("place unknown");
    Error::new(
        ErrorCode::INTERNAL_ERROR,
        Fault::Host,
        format!("the host panicked: {} ({place})", panic.message),
    )
}
