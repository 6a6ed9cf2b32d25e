//! A hub that misbehaves wherever it is told to.

use std::sync::Arc;

use plugin_api::contract::instance::{Capability, InstanceSettings};
use plugin_api::contract::probe::Probe;
use plugin_api::hub::Progress;
use plugin_api::{Context, Error, Host, Hub, ResourceInstance};
use serde_json::Value;

use crate::Config;

/// A hub that misbehaves wherever it is told to.
#[derive(Debug)]
pub struct TroubledHub {
    config: Config,
}

impl Hub for TroubledHub {
    type Config = Config;
    type Error = Error;

    fn new(config: Config, _host: Host) -> Result<Self, Error> {
        config.make("new")?;
        Ok(Self { config })
    }

    fn adopt(&self, settings: InstanceSettings) -> Result<ResourceInstance, Error> {
        self.config.make("adopt")?;
        ResourceInstance::from_settings(&settings)
    }

    async fn discover(self: Arc<Self>, _context: Context) -> Result<Vec<ResourceInstance>, Error> {
        self.config.make_async("discover").await?;
        Ok(Vec::new())
    }

    async fn probe(
        self: Arc<Self>,
        _context: Context,
        _instance: Arc<ResourceInstance>,
    ) -> Result<Probe, Error> {
        self.config.make_async("probe").await?;
        Ok(Probe::default())
    }

    async fn refresh(
        self: Arc<Self>,
        _context: Context,
        _instance: Arc<ResourceInstance>,
    ) -> Result<Option<Vec<Capability>>, Error> {
        self.config.make_async("refresh").await?;
        Ok(None)
    }

    async fn prepare(
        self: Arc<Self>,
        _context: Context,
        _instance: Arc<ResourceInstance>,
        _capability: String,
        _hint: Option<Value>,
    ) -> Result<(), Error> {
        self.config.make_async("prepare").await
    }

    async fn start(
        self: Arc<Self>,
        _context: Context,
        _specification: Value,
    ) -> Result<ResourceInstance, Error> {
        self.config.make_async("start").await?;
        Ok(ResourceInstance::new("started"))
    }

    async fn stop(self: Arc<Self>, _context: Context, _instance: Arc<ResourceInstance>) -> Result<(), Error> {
        self.config.make_async("stop").await
    }

    async fn reset(
        self: Arc<Self>,
        _context: Context,
        _instance: Arc<ResourceInstance>,
    ) -> Result<(), Error> {
        self.config.make_async("reset").await
    }

    async fn control(
        self: Arc<Self>,
        _context: Context,
        _verb: String,
        _arguments: Value,
        _instance: Option<Arc<ResourceInstance>>,
        progress: Progress,
    ) -> Result<Value, Error> {
        progress.report(Value::from("about to"));
        self.config.make_async("control").await?;
        Ok(Value::from("done"))
    }
}

impl Drop for TroubledHub {
    fn drop(&mut self) {
        // An orderly failure has nowhere to go from here.
        let _ = self.config.make("drop");
    }
}
