//! What the rest of the host sees of a running component, however it was loaded.
//!
//! The layers above know these traits and no ABI, so a plugin in this process, one in a child process and a fake
//! in a test are the same to them.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use plugin_api::contract::instance::{Capability, InstanceSettings};
use plugin_api::contract::probe::Probe;
use plugin_api::manifest::{HubManifest, ProviderManifest};
use plugin_api::provider::{Decision, OwnedRequest, Phase, Rendered, Reply, Request};
use plugin_api::{Context, Error, ResourceInstance};
use serde_json::Value;

/// A running hub. Every call is bounded by its caller and cancelled by dropping it; a panic in the plugin
/// arrives as an error with the code `PANICKED`.
pub trait HubDriver: Send + Sync + 'static {
    /// What it says of itself.
    fn manifest(&self) -> &HubManifest;
    /// See [`plugin_api::Hub::adopt`].
    fn adopt(&self, settings: InstanceSettings) -> BoxFuture<'_, Result<ResourceInstance, Error>>;
    /// See [`plugin_api::Hub::discover`].
    fn discover(&self, context: Context) -> BoxFuture<'_, Result<Vec<ResourceInstance>, Error>>;
    /// See [`plugin_api::Hub::probe`].
    fn probe(&self, context: Context, instance: Arc<ResourceInstance>)
    -> BoxFuture<'_, Result<Probe, Error>>;
    /// See [`plugin_api::Hub::refresh`].
    fn refresh(
        &self,
        context: Context,
        instance: Arc<ResourceInstance>,
    ) -> BoxFuture<'_, Result<Option<Vec<Capability>>, Error>>;
    /// See [`plugin_api::Hub::prepare`].
    fn prepare(
        &self,
        context: Context,
        instance: Arc<ResourceInstance>,
        capability: String,
        hint: Option<Value>,
    ) -> BoxFuture<'_, Result<(), Error>>;
    /// See [`plugin_api::Hub::start`].
    fn start(&self, context: Context, specification: Value)
    -> BoxFuture<'_, Result<ResourceInstance, Error>>;
    /// See [`plugin_api::Hub::stop`].
    fn stop(&self, context: Context, instance: Arc<ResourceInstance>) -> BoxFuture<'_, Result<(), Error>>;
    /// See [`plugin_api::Hub::reset`].
    fn reset(&self, context: Context, instance: Arc<ResourceInstance>) -> BoxFuture<'_, Result<(), Error>>;
    /// See [`plugin_api::Hub::control`]. Progress values, then the result as the last item.
    fn control(
        &self,
        context: Context,
        verb: String,
        arguments: Value,
        instance: Option<Arc<ResourceInstance>>,
    ) -> BoxStream<'static, Result<ControlItem, Error>>;
    /// How many times it has panicked; each panic was contained.
    fn panics(&self) -> u64 {
        0
    }
    /// Why none of its code runs any more, where it went on panicking after it had been built anew.
    fn quarantine(&self) -> Option<String> {
        None
    }
    /// Ends the component: its tasks are told to stop, given a grace, then dropped. Idempotent.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

/// One item of a verb's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ControlItem {
    /// How far it is.
    Progress(Value),
    /// What came of it; always last.
    Result(Value),
}

/// A running provider.
pub trait ProviderDriver: Send + Sync + 'static {
    /// What it says of itself.
    fn manifest(&self) -> &ProviderManifest;
    /// See [`plugin_api::Provider::decide`]. Synchronous and quick: called on the network thread.
    fn decide(&self, request: &Request<'_>) -> Result<Decision, Error>;
    /// See [`plugin_api::Provider::work`].
    fn work(&self, context: Context, request: OwnedRequest) -> BoxFuture<'_, Result<Reply, Error>>;
    /// See [`plugin_api::Provider::render_error`].
    fn render_error(&self, route: &str, phase: Phase, error: &Error) -> Rendered;
    /// How many times it has panicked; each panic was contained.
    fn panics(&self) -> u64 {
        0
    }
    /// Why none of its code runs any more, where it went on panicking after it had been built anew.
    fn quarantine(&self) -> Option<String> {
        None
    }
    /// Ends the component. Idempotent.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}
