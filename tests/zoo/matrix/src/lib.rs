//! The smallest hub, of which the examples make plugins built against the plugin API as it is, as it was, as it
//! may become, and broken. They differ in nothing but a feature of `plugin-api`.

use std::sync::Arc;

use plugin_api::contract::instance::InstanceSettings;
use plugin_api::contract::probe::Probe;
use plugin_api::hub::Progress;
use plugin_api::{Context, Error, Host, Hub, ResourceInstance};
use serde_json::{Value, json};

/// A hub that says which API it was built for.
pub struct Matrix;

/// It takes no settings.
#[derive(serde::Deserialize)]
pub struct Config {}

impl Hub for Matrix {
    type Config = Config;
    type Error = Error;

    fn new(_config: Config, _host: Host) -> Result<Self, Error> {
        Ok(Self)
    }

    fn adopt(&self, settings: InstanceSettings) -> Result<ResourceInstance, Error> {
        ResourceInstance::from_settings(&settings)
    }

    async fn probe(
        self: Arc<Self>,
        _context: Context,
        _instance: Arc<ResourceInstance>,
    ) -> Result<Probe, Error> {
        Ok(Probe {
            version: Some(plugin_api::manifest::API_VERSION.to_owned()),
            ..Probe::default()
        })
    }

    async fn control(
        self: Arc<Self>,
        _context: Context,
        _verb: String,
        _arguments: Value,
        _instance: Option<Arc<ResourceInstance>>,
        _progress: Progress,
    ) -> Result<Value, Error> {
        Ok(json!(plugin_api::manifest::API_VERSION))
    }
}
