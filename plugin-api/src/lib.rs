//! What a Gleitzeit plugin depends on, and nothing else.
//!
//! A plugin is one shared library with a [manifest](manifest::Manifest) and one or more components: a
//! [hub](hub::Hub), which owns resources of one kind, or a [provider](provider::Provider), which speaks a
//! protocol to users. Authors implement those traits with ordinary `async fn` and serde types; the stable
//! ABI, the runtime of each plugin, panic containment and the tracing bridge stay behind
//! `export_plugin!`.
//!
//! What every resource needs (health, circuit breaking, balancing, queueing, leases, metrics) is the host's.
//! Its types and pure state machines are in [`contract`], so that plugins and tests can use them alone.
//!
//! # A whole hub
//!
//! For an imaginary kind of server that tells at `/health` how it is and at `/models` what it has, and can be asked to
//! forget a model. With the feature `http`:
//!
#![cfg_attr(feature = "http", doc = "```")]
#![cfg_attr(not(feature = "http"), doc = "```text")]
//! use std::sync::Arc;
//!
//! use plugin_api::contract::instance::{Capability, Endpoint, InstanceSettings, Residency};
//! use plugin_api::contract::probe::Probe;
//! use plugin_api::http::{Client, HttpError, Method};
//! use plugin_api::hub::Progress;
//! use plugin_api::{Context, Error, Host, Hub, ResourceInstance};
//! use serde::Deserialize;
//! use serde_json::{Value, json};
//!
//! /// Its `config = { ... }`.
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields, default)]
//! pub struct Config {
//!     /// A queue longer than this makes a server degraded.
//!     long_queue: u32,
//! }
//!
//! impl Default for Config {
//!     fn default() -> Self {
//!         Self { long_queue: 10 }
//!     }
//! }
//!
//! /// What `/health` answers.
//! #[derive(Deserialize)]
//! struct Health {
//!     version: String,
//!     queue: u32,
//! }
//!
//! /// One entry of what `/models` answers.
//! #[derive(Deserialize)]
//! struct Model {
//!     name: String,
//!     in_memory: bool,
//! }
//!
//! /// What can go wrong here.
//! #[derive(Debug, thiserror::Error)]
//! pub enum TorchboxError {
//!     #[error(transparent)]
//!     Http(#[from] HttpError),
//!     #[error("{0} has no address")]
//!     NoEndpoint(String),
//! }
//!
//! impl From<TorchboxError> for Error {
//!     fn from(error: TorchboxError) -> Self {
//!         match error {
//!             TorchboxError::Http(error) => error.into(),
//!             TorchboxError::NoEndpoint(_) => Error::plugin(error.to_string()),
//!         }
//!     }
//! }
//!
//! /// Torchbox servers.
//! pub struct Torchbox {
//!     config: Config,
//!     client: Client,
//! }
//!
//! fn endpoint(instance: &ResourceInstance) -> Result<&Endpoint, TorchboxError> {
//!     instance.endpoint.as_ref().ok_or_else(|| TorchboxError::NoEndpoint(instance.id.clone()))
//! }
//!
//! impl Hub for Torchbox {
//!     type Config = Config;
//!     type Error = TorchboxError;
//!
//!     fn new(config: Config, _host: Host) -> Result<Self, TorchboxError> {
//!         let client = Client::new("torchbox-hub/1.0")?;
//!         Ok(Self { config, client })
//!     }
//!
//!     fn adopt(&self, settings: InstanceSettings) -> Result<ResourceInstance, TorchboxError> {
//!         let mut instance = ResourceInstance::from_settings(&settings)
//!             .map_err(|error| TorchboxError::NoEndpoint(error.message))?;
//!         instance.dialects = vec!["openai".into()];
//!         Ok(instance)
//!     }
//!
//!     async fn probe(
//!         self: Arc<Self>,
//!         _context: Context,
//!         instance: Arc<ResourceInstance>,
//!     ) -> Result<Probe, TorchboxError> {
//!         let endpoint = endpoint(&instance)?;
//!         let health: Health = self.client.call(Method::GET, endpoint, "/health").json().await?;
//!         let models: Vec<Model> = self.client.call(Method::GET, endpoint, "/models").json().await?;
//!         let capability = |model: Model| Capability {
//!             name: model.name,
//!             residency: if model.in_memory { Residency::Loaded } else { Residency::Stored },
//!             ..Capability::default()
//!         };
//!         let long = health.queue > self.config.long_queue;
//!         Ok(Probe {
//!             degraded: long.then(|| format!("{} requests wait there", health.queue)),
//!             capabilities: Some(models.into_iter().map(capability).collect()),
//!             version: Some(health.version),
//!             ..Probe::default()
//!         })
//!     }
//!
//!     async fn control(
//!         self: Arc<Self>,
//!         _context: Context,
//!         verb: String,
//!         arguments: Value,
//!         instance: Option<Arc<ResourceInstance>>,
//!         _progress: Progress,
//!     ) -> Result<Value, Error> {
//!         match (verb.as_str(), instance) {
//!             ("forget", Some(instance)) => {
//!                 let path = format!("/models/{}", arguments["model"].as_str().unwrap_or_default());
//!                 self.client.call(Method::DELETE, endpoint(&instance)?, &path).bytes().await?;
//!                 Ok(json!({ "forgotten": true }))
//!             }
//!             _ => Err(Error::unsupported(format!("`{verb}`"))),
//!         }
//!     }
//! }
//!
//! plugin_api::export_plugin! {
//!     manifest_text: r#"
//!         id = "torchbox-hub"
//!         version = "1.0.0"
//!         description = "Torchbox servers"
//!
//!         [hub]
//!         provides = "llm-server"
//!         config = { type = "object", additionalProperties = false, properties = { long_queue = { type = "integer", minimum = 0, maximum = 1000 } } }
//!
//!         [hub.verbs.forget]
//!         description = "Deletes a model"
//!         positional = "model"
//!         arguments = { type = "object", required = ["model"], properties = { model = { type = "string" } } }
//!     "#, // in a file of its own: manifest: "../manifest.toml"
//!     hub: Torchbox,
//! }
//! # fn main() {}
//! ```
//!
//! # A whole provider
//!
//! It lets the host forward completions to whatever server has the model, and answers one method itself.
//!
//! ```
//! use std::sync::Arc;
//!
//! use plugin_api::contract::reference::normalise;
//! use plugin_api::contract::requirement::Requirement;
//! use plugin_api::provider::{Decision, Entry, Forward, OwnedRequest, Phase, Rendered, Reply, Request};
//! use plugin_api::{Context, Error, Host, Provider};
//! use serde::Deserialize;
//! use serde_json::json;
//!
//! /// All it needs to know of a body: everything else passes untouched.
//! #[derive(Deserialize)]
//! struct Ask<'a> {
//!     #[serde(borrow)]
//!     model: std::borrow::Cow<'a, str>,
//! }
//!
//! /// Completions on any server that speaks the dialect `openai`.
//! pub struct Completions {
//!     host: Host,
//! }
//!
//! impl Provider for Completions {
//!     type Config = serde_json::Map<String, serde_json::Value>;
//!     type Error = Error;
//!
//!     fn new(_config: Self::Config, host: Host) -> Result<Self, Error> {
//!         Ok(Self { host })
//!     }
//!
//!     fn decide(&self, request: &Request<'_>) -> Result<Decision, Error> {
//!         match request.entry {
//!             Entry::Route { id: "completions", .. } => {
//!                 let ask: Ask<'_> = serde_json::from_slice(request.body)?;
//!                 Ok(Decision::Forward(Box::new(Forward {
//!                     requirement: Requirement {
//!                         capability: Some(normalise(&ask.model).into_owned()),
//!                         dialects: vec!["openai".into()],
//!                         ..Requirement::default()
//!                     },
//!                     relay: Some("completions".into()),
//!                     ..Forward::default()
//!                 })))
//!             }
//!             _ => Ok(Decision::Work),
//!         }
//!     }
//!
//!     async fn work(self: Arc<Self>, context: Context, _request: OwnedRequest) -> Result<Reply, Error> {
//!         let instances = self.host.instances(&context).await?;
//!         let names = instances.iter().flat_map(|view| &view.instance.capabilities).map(|model| &model.name);
//!         Ok(Reply::json(&names.collect::<Vec<_>>()))
//!     }
//!
//!     fn render_error(&self, _route: &str, phase: Phase, error: &Error) -> Rendered {
//!         let mut rendered = Rendered::json(error.http_status(), &json!({ "error": { "message": error.message } }));
//!         if phase == Phase::Streaming {
//!             rendered.body = [b"data: ", &rendered.body[..], b"\n\n"].concat().into();
//!         }
//!         rendered
//!     }
//! }
//!
//! plugin_api::export_plugin! {
//!     manifest_text: r#"
//!         id = "completions-provider"
//!         version = "1.0.0"
//!         description = "Text completions"
//!
//!         [provider]
//!         protocol = "completions/v1"
//!         requires = ["llm-server"]
//!
//!         [provider.methods."completions/models"]
//!         description = "The models there are"
//!
//!         [provider.routes.completions]
//!         methods = ["POST"]
//!         path = "/v1/completions"
//!
//!         [provider.relays.completions]
//!         framing = "sse"
//!         meaningful = ["/choices/0/text"]
//!         failure = ["/error"]
//!         done_text = "[DONE]"
//!         model = "/model"
//!     "#,
//!     provider: Completions,
//! }
//! # fn main() {}
//! ```
//!
//! Built as `crate-type = ["cdylib", "rlib"]`, dropped into the host's plugin directory and named in `plugins.toml`, either
//! is in service. With the feature `testing` in `[dev-dependencies]`, `testing::Harness` runs it without a host and
//! `testing::conformance` checks it.

pub mod abi;
pub mod context;
pub mod contract;
pub mod host;
#[cfg(feature = "http")]
pub mod http;
pub mod hub;
pub mod manifest;
pub mod output;
pub mod owner;
pub mod provider;
pub mod quantity;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use context::Context;
pub use contract::error::{Error, ErrorCode, Fault, Retry};
pub use contract::instance::ResourceInstance;
pub use host::Host;
pub use hub::Hub;
pub use provider::Provider;

/// A stream of byte chunks that a plugin hands to the host, or the host to a plugin.
///
/// Ends after the first `Err`. Dropping it cancels whatever produces it.
pub type ByteStream = futures_util::stream::BoxStream<'static, Result<bytes::Bytes, Error>>;

/// What `export_plugin!` expands to; not for people.
#[doc(hidden)]
pub mod __private {
    pub use crate::abi::component::{create_hub, create_provider};
    pub use crate::abi::export::{Export, header, join, length, manifest_parts, no_component, root};
    pub use crate::abi::raw::{RawHostBox, RawPluginBox};
    pub use abi_stable::library::{LibHeader, RootModuleResult};
}
