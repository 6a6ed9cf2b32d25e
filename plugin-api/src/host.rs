//! What the host offers a plugin: leases, forwarding, other providers' methods, secrets, events.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract::instance::ResourceInstance;
use crate::contract::outcome::Outcome;
use crate::contract::requirement::Requirement;
use crate::{ByteStream, Context, Error};

/// A handle to the host. Cheap to clone; given to a component when it is built.
///
/// Once the component is retired every call answers [`ErrorCode::GONE`](crate::ErrorCode::GONE). All methods may be
/// called from any task of the plugin's runtime, and are cancelled by dropping them.
#[derive(Clone)]
pub struct Host {
    pub(crate) services: Arc<dyn Services>,
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Host")
    }
}

/// A boxed future, where a trait has to be an object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What stands behind a [`Host`]: the real one over the ABI, or one in miniature in tests.
///
/// The host side implements the same trait, so a service is defined once.
pub trait Services: Send + Sync + 'static {
    /// See [`Host::lease`].
    fn lease<'a>(
        &'a self,
        context: &'a Context,
        requirement: &'a Requirement,
    ) -> BoxFuture<'a, Result<LeaseGrant, Error>>;
    /// Ends a lease. Unknown or ended ones are ignored, so it cannot be doubled.
    fn release(&self, lease: u64, outcome: Outcome);
    /// See [`Host::forward`].
    fn forward<'a>(
        &'a self,
        context: &'a Context,
        request: ForwardRequest,
    ) -> BoxFuture<'a, Result<ForwardResponse, Error>>;
    /// See [`Host::call`].
    fn call<'a>(
        &'a self,
        context: &'a Context,
        method: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<Value, Error>>;
    /// See [`Host::open`].
    fn open<'a>(
        &'a self,
        context: &'a Context,
        method: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<ByteStream, Error>>;
    /// See [`Host::instances`].
    fn instances<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Vec<InstanceView>, Error>>;
    /// See [`Host::control`].
    fn control<'a>(
        &'a self,
        context: &'a Context,
        control: Control,
    ) -> BoxFuture<'a, Result<ByteStream, Error>>;
    /// See [`Host::secret`].
    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Secret, Error>>;
    /// See [`Host::publish`].
    fn publish(&self, kind: &str, data: Value);
    /// See [`Host::bindings`].
    fn bindings<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Vec<Binding>, Error>>;
    /// See [`Host::warm`].
    fn warm(&self, requirement: &Requirement);
    /// See [`Host::lost`].
    fn lost(&self, instance: &str, reason: &str);
}

impl Host {
    /// A host with these services behind it. The real one comes with construction; this is for tests.
    pub fn new(services: Arc<dyn Services>) -> Self {
        Self { services }
    }

    /// Holds an instance for one request, waiting in the queue if need be.
    ///
    /// # Errors
    /// `NOT_FOUND` where no instance could ever serve the requirement, `NOT_AVAILABLE` where none can now,
    /// `RESOURCE_EXHAUSTED` where the queue is full (with when to come back), `TIMEOUT` after the queue limit.
    pub async fn lease(&self, context: &Context, requirement: &Requirement) -> Result<Lease, Error> {
        let grant = self.services.lease(context, requirement).await?;
        Ok(Lease {
            services: self.services.clone(),
            grant,
            outcome: Some(Outcome::Cancelled),
        })
    }

    /// Sends a request to an instance that fits: the host leases, sends, retries before the first meaningful
    /// byte, and accounts. Dropping the response ends the request at the far end.
    ///
    /// # Errors
    /// As [`lease`](Self::lease), and the instance's own failure once attempts are used up. An answer of 4xx is
    /// not an `Err`: it is returned with its status.
    pub async fn forward(
        &self,
        context: &Context,
        request: ForwardRequest,
    ) -> Result<ForwardResponse, Error> {
        self.services.forward(context, request).await
    }

    /// Calls a method of another provider and waits for its result.
    ///
    /// # Errors
    /// `METHOD_NOT_FOUND`, or whatever the method answers.
    pub async fn call(&self, context: &Context, method: &str, params: Value) -> Result<Value, Error> {
        self.services.call(context, method, params).await
    }

    /// Calls a method of another provider and streams its result, one JSON value a chunk.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn open(&self, context: &Context, method: &str, params: Value) -> Result<ByteStream, Error> {
        self.services.open(context, method, params).await
    }

    /// All instances of the hubs this provider is bound to, in order of preference; for a hub, its own. Answers
    /// from what is known, at once, however ill the instances are.
    ///
    /// # Errors
    /// `GONE` after retirement.
    pub async fn instances(&self, context: &Context) -> Result<Vec<InstanceView>, Error> {
        self.services.instances(context).await
    }

    /// Runs a verb of a bound hub. The stream's chunks are JSON: progress `{"instance", "progress"}` and at the
    /// end `{"results": {instance: {"ok": value} or {"error": error}}}`.
    ///
    /// # Errors
    /// No bound hub knows the verb, the arguments do not fit, or no instance is selected.
    pub async fn control(&self, context: &Context, control: Control) -> Result<ByteStream, Error> {
        self.services.control(context, control).await
    }

    /// A secret by name, from the operator's `[secrets]`.
    ///
    /// # Errors
    /// `NOT_FOUND`, or it could not be read; the message never holds it.
    pub async fn secret(&self, name: &str) -> Result<Secret, Error> {
        self.services.secret(name).await
    }

    /// Publishes an event to whoever follows them. Never blocks.
    pub fn publish(&self, kind: &str, data: Value) {
        self.services.publish(kind, data);
    }

    /// Asks the warm pool to keep resources of the requirement's specification ready from now on, so that not even the
    /// first [`lease`](Self::lease) has to wait for one to start. How many is the operator's word. Never blocks.
    pub fn warm(&self, requirement: &Requirement) {
        self.services.warm(requirement);
    }

    /// The hubs this provider may use, with the roles they have; for a hub, itself. Waits until the component is in
    /// service, so that it may be called from a task spawned while it is built.
    ///
    /// # Errors
    /// `GONE` after retirement.
    pub async fn bindings(&self, context: &Context) -> Result<Vec<Binding>, Error> {
        self.services.bindings(context).await
    }

    /// For a hub: a resource that it started is gone (its process ended, its container died), so that nobody is sent
    /// there. Requests that hold it are told; a warm pool replaces it. Unknown ones are ignored. Never blocks.
    pub fn lost(&self, instance: &str, reason: &str) {
        self.services.lost(instance, reason);
    }
}

/// A hub that a provider may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Its name in the configuration.
    pub hub: String,
    /// The kind of resource it provides.
    pub provides: String,
    /// The roles it has for the provider.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// What the host grants with a lease.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LeaseGrant {
    /// The lease's number.
    pub lease: u64,
    /// The hub it came from.
    pub hub: String,
    /// The instance held, with the headers it needs.
    pub instance: ResourceInstance,
    /// How long the request waited in the queue.
    pub queued: Duration,
    /// For a resource of a warm pool: how often it has been used, this time included. Zero for all others.
    #[serde(default)]
    pub uses: u32,
}

/// An instance held for one request. Dropping it releases it; without a word before that, the work counts as
/// cancelled and says nothing about the instance.
pub struct Lease {
    services: Arc<dyn Services>,
    grant: LeaseGrant,
    outcome: Option<Outcome>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lease")
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}

impl Lease {
    /// The instance held.
    pub fn instance(&self) -> &ResourceInstance {
        &self.grant.instance
    }

    /// What came with the lease.
    pub fn grant(&self) -> &LeaseGrant {
        &self.grant
    }

    /// Releases it and says how it went.
    pub fn finish(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            self.services.release(self.grant.lease, outcome);
        }
    }
}

/// A request to send to an instance that fits.
#[derive(Debug, Clone, Default)]
pub struct ForwardRequest {
    /// The instance it needs; its `dialects` are taken from the variants.
    pub requirement: Requirement,
    /// The same request in each dialect it can be sent in, in order of preference.
    pub variants: Vec<Variant>,
    /// The manifest's relay by which the answer is judged, where it is not the variant's own.
    pub relay: Option<String>,
}

/// A request in one dialect.
#[derive(Debug, Clone, Default)]
pub struct Variant {
    /// The dialect an instance must speak to get it.
    pub dialect: String,
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
    /// The manifest's relay by which the answer in this dialect is judged.
    pub relay: Option<String>,
}

/// An instance's answer.
pub struct ForwardResponse {
    /// HTTP status.
    pub status: u16,
    /// Response headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Which instance answered.
    pub instance: String,
    /// In which dialect.
    pub dialect: String,
    /// How many attempts it took.
    pub attempts: u32,
    /// The body, as it comes.
    pub body: ByteStream,
}

impl fmt::Debug for ForwardResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ForwardResponse")
            .field("status", &self.status)
            .field("instance", &self.instance)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// An instance as the engine sees it: what the hub says, and whether a request would be routed to it now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceView {
    /// The hub it belongs to.
    pub hub: String,
    /// What the hub says of it. Header values are left out.
    pub instance: ResourceInstance,
    /// `healthy`, `degraded`, `unhealthy`, `starting`, `draining`, `stopping`, `stopped`, `failed`.
    pub state: String,
    /// Whether a request would be routed to it now.
    pub routable: bool,
    /// Why not, for a person.
    #[serde(default)]
    pub reason: Option<String>,
    /// Requests in flight.
    pub in_flight: u32,
}

/// A verb to run on a bound hub.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Control {
    /// The hub; `None` takes the first bound one that knows the verb.
    pub hub: Option<String>,
    /// The verb.
    pub verb: String,
    /// Its arguments.
    pub arguments: Value,
    /// The instances; `None` takes the verb's own default.
    pub selection: Option<Selection>,
}

/// Which instances a verb applies to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Every instance.
    All,
    /// These, by id.
    Instances(Vec<String>),
    /// Every instance that carries the tag.
    Tag(String),
    /// So many, chosen by the balancer.
    Count(u32),
}

/// A secret. Its value shows up in no log and no debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}
