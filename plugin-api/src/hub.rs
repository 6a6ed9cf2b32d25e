//! The trait a hub implements: what is special about one kind of resource, and nothing else.

use std::future::Future;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::contract::instance::{Capability, InstanceSettings, ResourceInstance};
use crate::contract::probe::Probe;
use crate::{Context, Error, Host};

/// Owns resources of one kind.
///
/// The host runs everything generic on top: states, health with back-off, breaker, balancing, queue, leases,
/// metrics. It calls these methods on the plugin's own runtime, each within a time limit, several at once; a
/// method that hangs or panics fails that call and nothing else.
///
/// Every method but [`new`](Self::new), [`probe`](Self::probe) has a default, so a hub for another kind of
/// HTTP server is little more than its probe.
pub trait Hub: Send + Sync + Sized + 'static {
    /// Its `config = { ... }` in `plugins.toml`, already checked against the manifest's schema.
    type Config: DeserializeOwned + Send + 'static;
    /// The author's own error; usually a `thiserror` enum with one `impl From<_> for Error`.
    type Error: Into<Error>;

    /// Builds the hub. Called once per `[hubs.x]`, within the plugin's runtime; must not block.
    ///
    /// # Errors
    /// The configuration cannot work: the host refuses the hub and shows the message.
    fn new(config: Self::Config, host: Host) -> Result<Self, Self::Error>;

    /// Turns an entry of `instances = [...]` into an instance: checks it, adds headers, dialects, defaults.
    ///
    /// # Errors
    /// The entry cannot work; shown with its place in `plugins.toml`.
    fn adopt(&self, settings: InstanceSettings) -> Result<ResourceInstance, Self::Error>;

    /// The instances there are now, besides those configured or started. Those that were found before and
    /// are not any more are drained and removed. Called at start and every `discovery.interval`.
    fn discover(
        self: Arc<Self>,
        _context: Context,
    ) -> impl Future<Output = Result<Vec<ResourceInstance>, Self::Error>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Looks at one instance: is it well, what can it do, how loaded is it. An `Err` counts as a failed
    /// check, and so does passing the probe's time limit.
    fn probe(
        self: Arc<Self>,
        context: Context,
        instance: Arc<ResourceInstance>,
    ) -> impl Future<Output = Result<Probe, Self::Error>> + Send;

    /// A cheaper look at what changes quickly, called every `health.refresh` while the instance is well.
    /// `None` leaves what was known. A failure says nothing about health.
    fn refresh(
        self: Arc<Self>,
        _context: Context,
        _instance: Arc<ResourceInstance>,
    ) -> impl Future<Output = Result<Option<Vec<Capability>>, Self::Error>> + Send {
        async { Ok(None) }
    }

    /// Makes a capability usable on an instance (loads a model, or fetches it first where the operator allows),
    /// shaped by the request's hint. The host calls it once however many requests wait for it, and lets none
    /// of them cancel it.
    fn prepare(
        self: Arc<Self>,
        _context: Context,
        _instance: Arc<ResourceInstance>,
        _capability: String,
        _hint: Option<Value>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        async { Ok(()) }
    }

    /// Starts a resource as `start = [...]` in `plugins.toml` describes it, and returns when it is ready.
    /// Dropping the future must leave nothing behind.
    fn start(
        self: Arc<Self>,
        _context: Context,
        _specification: Value,
    ) -> impl Future<Output = Result<ResourceInstance, Error>> + Send {
        async { Err(Error::unsupported("starting instances")) }
    }

    /// Stops an instance that [`start`](Self::start) returned; it has been drained already.
    fn stop(
        self: Arc<Self>,
        _context: Context,
        _instance: Arc<ResourceInstance>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async { Err(Error::unsupported("stopping instances")) }
    }

    /// Makes a used instance as good as new, for pools that reuse.
    fn reset(
        self: Arc<Self>,
        _context: Context,
        _instance: Arc<ResourceInstance>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async { Err(Error::unsupported("resetting instances")) }
    }

    /// Carries out one of the hub's own verbs, as the manifest lists them: on one instance where the verb's
    /// target is `instance` (the host has resolved "all", "two of them", "those tagged gpu"), once with `None`
    /// where it is `hub`.
    fn control(
        self: Arc<Self>,
        _context: Context,
        verb: String,
        _arguments: Value,
        _instance: Option<Arc<ResourceInstance>>,
        _progress: Progress,
    ) -> impl Future<Output = Result<Value, Error>> + Send {
        async move { Err(Error::unsupported(format!("`{verb}`"))) }
    }
}

/// Where a verb reports how far it is. Reporting never blocks: what nobody reads in time is dropped.
#[derive(Debug, Clone)]
pub struct Progress {
    pub(crate) sender: tokio::sync::mpsc::Sender<Value>,
}

impl Progress {
    /// A place to report to, and the reports. For tests and for code that calls verbs itself.
    pub fn channel() -> (Self, tokio::sync::mpsc::Receiver<Value>) {
        let (sender, receiver) = tokio::sync::mpsc::channel(64);
        (Self { sender }, receiver)
    }

    /// Reports: by convention `{"status": text, "completed": n, "total": n}`, the numbers in bytes.
    pub fn report(&self, value: Value) {
        // A full channel means a slow reader; the next report says more than a late one.
        let _ = self.sender.try_send(value);
    }
}
