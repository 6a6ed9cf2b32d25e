//! What the gateway asks of the layers below: two traits, so that it is tested without them.
//!
//! [`Backend`] is on the path of every request and therefore a type parameter. [`Admin`] is not, and is an object.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use plugin_api::Error;
use plugin_api::contract::requirement::Priority;
use plugin_api::host::Control;
use prometheus_client::encoding::DescriptorEncoder;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::pool::EventSink;

/// An error of any kind, where nobody matches on it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Everything the gateway knows of who asks.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The request's id: the client's own where it sent one, else made here. Echoed in `x-request-id`.
    pub request_id: String,
    /// The name of the caller's key; `anonymous` where none is wanted.
    pub principal: Arc<str>,
    /// Whether it may change the fleet. True for everyone where no keys are configured.
    pub admin: bool,
    /// The highest class in the queue it may ask for.
    pub max_priority: Priority,
    /// The client's W3C trace context, as it came.
    pub traceparent: Option<String>,
    /// When the client stops waiting, where it said so (`x-gleitzeit-timeout`).
    pub deadline: Option<SystemTime>,
    /// Cancelled when the host stops and the time for work in flight is over: a stream that has begun must then
    /// end with an explicit error. What has not begun the gateway itself ends, by dropping it. A client that hangs
    /// up is no cancellation either: then the answer is dropped.
    pub cancellation: CancellationToken,
}

/// What is found for a method and a path.
#[derive(Debug, Clone)]
pub enum Found<R> {
    /// This route.
    Route(R),
    /// The path is a route's, the method is not.
    WrongMethod(R),
    /// Nothing.
    Nothing,
}

/// A route of a provider, as far as the gateway cares.
pub trait Route: Clone + Send + Sync + 'static {
    /// The provider's name, for logs and metrics.
    fn provider(&self) -> &str;
    /// The route's id in the provider's manifest, for logs and metrics.
    fn id(&self) -> &str;
    /// Whether it needs an administrator's key where keys are configured.
    fn admin(&self) -> bool;
    /// The HTTP methods it answers, for `allow`.
    fn methods(&self) -> &[String];
}

/// Finds routes and answers requests. In the host this is the dispatcher.
pub trait Backend: Send + Sync + 'static {
    /// A route; cheap to clone.
    type Route: Route;
    /// Who asks and how, in the backend's own terms.
    type Caller: Clone + Send + Sync + 'static;
    /// An answer's body.
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// What serves this method and path.
    fn find(&self, method: &Method, path: &str) -> Found<Self::Route>;

    /// Turns who asks, and what the headers say of how, into the backend's own terms.
    ///
    /// # Errors
    /// A header makes no sense.
    fn caller(&self, asker: Asker, headers: &HeaderMap) -> Result<Self::Caller, Error>;

    /// A failure before the answer has begun, in the dialect of the route, with `retry-after` where it helps.
    fn render(&self, route: &Self::Route, error: &Error) -> Response<Self::Body>;

    /// Answers a request; failures are rendered. Dropping the future or the body cancels everything behind it. With the
    /// answer comes how much of the time until it was spent waiting for instances, where that is known: what is left is
    /// our own overhead.
    fn serve(
        &self,
        route: &Self::Route,
        caller: Self::Caller,
        parts: Parts,
        body: Bytes,
    ) -> impl Future<Output = (Response<Self::Body>, Option<Duration>)> + Send;

    /// How many bytes of an answer's body are in memory already. Zero for one that comes as it is read.
    fn in_memory(body: &Self::Body) -> usize;

    /// Calls a method and waits for its result: one JSON value, as it was written.
    ///
    /// # Errors
    /// Whatever the method answers; `METHOD_NOT_FOUND` where there is none.
    fn call(
        &self,
        method: &str,
        params: Bytes,
        caller: Self::Caller,
    ) -> impl Future<Output = Result<Bytes, Error>> + Send;

    /// Calls a method and streams its result.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    fn open(
        &self,
        method: &str,
        params: Bytes,
        caller: Self::Caller,
    ) -> impl Future<Output = Result<BoxStream<'static, Result<Value, Error>>, Error>> + Send;
}

/// What an operator sees and does. In the host this is the manager.
pub trait Admin: Send + Sync + 'static {
    /// Why requests cannot be answered yet, one sentence each; empty when they can. Instances that are down are
    /// no reason: a refusal that says so is an answer.
    fn unready(&self) -> Vec<String>;
    /// Everything at a glance, as far as whoever asks may see it.
    fn status(&self, asker: &Asker) -> Value;
    /// Every instance with whether a request would be routed to it, as far as whoever asks may see it.
    fn instances(&self, asker: &Asker) -> Value;
    /// Every method and route.
    fn methods(&self) -> Value;
    /// Every plugin, loaded or refused.
    fn plugins(&self) -> Value;
    /// Takes an instance out of use. An empty name of a hub stands for whichever has it.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    fn drain(&self, hub: &str, instance: &str) -> Result<Value, Error>;
    /// Takes it back into use.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    fn resume(&self, hub: &str, instance: &str) -> Result<Value, Error>;
    /// Whether the verb only reads, and so needs no administrator's key.
    fn reads_only(&self, hub: Option<&str>, verb: &str) -> bool;
    /// Runs a hub's verb: progress values, then `{"results": …}` as the last item.
    fn control(&self, control: Control, asker: Asker) -> BoxStream<'static, Result<Value, Error>>;
    /// Calls a method of the manager's own.
    ///
    /// # Errors
    /// There is none of this name, the parameters do not fit, the key may not, or the method's own.
    fn manage(&self, verb: String, params: Bytes, asker: Asker) -> BoxFuture<'_, Result<Value, Error>>;
    /// Everything that happens.
    fn events(&self) -> EventSink;
    /// Adds the pools' metrics to a scrape.
    ///
    /// # Errors
    /// The encoder's own.
    fn metrics(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result;
}
