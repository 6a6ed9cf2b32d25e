//! A host in miniature, and a kit that checks a plugin against the contracts.
//!
//! Behind the feature `testing`, for a plugin's `[dev-dependencies]`. The [`Harness`] runs a hub or a provider in
//! the test's own process, through the very shims that a loaded library has, so panics, cancellation and messages
//! behave as in service, while debuggers and coverage see an ordinary program. [`TestHost`] plays the host: it
//! answers as the test says and remembers what it was asked. [`conformance`] asks what every plugin must answer.
//!
//! ```
//! use std::sync::Arc;
//!
//! use plugin_api::contract::instance::InstanceSettings;
//! use plugin_api::contract::probe::Probe;
//! use plugin_api::testing::Harness;
//! use plugin_api::{Context, Error, Host, Hub, ResourceInstance};
//!
//! struct Quiet;
//!
//! impl Hub for Quiet {
//!     type Config = serde_json::Value;
//!     type Error = Error;
//!
//!     fn new(_config: Self::Config, _host: Host) -> Result<Self, Error> {
//!         Ok(Self)
//!     }
//!
//!     fn adopt(&self, settings: InstanceSettings) -> Result<ResourceInstance, Error> {
//!         ResourceInstance::from_settings(&settings)
//!     }
//!
//!     async fn probe(self: Arc<Self>, _: Context, _: Arc<ResourceInstance>) -> Result<Probe, Error> {
//!         Ok(Probe { version: Some("1.0".into()), ..Probe::default() })
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let hub = Harness::new().hub::<Quiet>(&serde_json::json!({})).unwrap();
//! let instance = hub.adopt(&InstanceSettings { url: "http://gpu1:80".into(), ..Default::default() }).unwrap();
//! let probe = hub.probe(&Context::background("test"), &instance).await.unwrap();
//! assert_eq!(probe.version.as_deref(), Some("1.0"));
//! # });
//! ```

pub mod conformance;
mod harness;
mod host;
mod schema;
mod scripted;

pub use harness::{Harness, HubHarness, ProviderHarness};
pub use host::{Event, TestHost};
pub use schema::{assert_states, schema_of};
pub use scripted::Answer;
