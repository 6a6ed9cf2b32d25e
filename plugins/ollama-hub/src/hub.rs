//! The hub: what the host asks of it, put together from the other modules.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use plugin_api::contract::instance::{Capability, InstanceSettings, Origin};
use plugin_api::contract::probe::Probe;
use plugin_api::http::Client;
use plugin_api::hub::Progress;
use plugin_api::{Context, Error, Host, Hub, ResourceInstance};
use serde_json::Value;

use crate::address;
use crate::api::{Running, Server};
use crate::config::{Config, StartConfig};
use crate::discovery::Discovery;
use crate::error::OllamaError;
use crate::features::{TraitsCache, only_embeds};
use crate::inventory::{self, Inventory};
use crate::process::Processes;
use crate::verbs;

/// Ollama servers.
#[derive(Debug)]
pub struct OllamaHub {
    client: Client,
    host: Host,
    discovery: Discovery,
    traits: TraitsCache,
    inventory: Inventory,
    processes: Processes,
}

impl Hub for OllamaHub {
    type Config = Config;
    type Error = OllamaError;

    fn new(config: Config, host: Host) -> Result<Self, OllamaError> {
        Ok(Self {
            client: Client::new(concat!("gleitzeit-ollama-hub/", env!("CARGO_PKG_VERSION")))?,
            host,
            discovery: Discovery::new(&config)?,
            traits: TraitsCache::default(),
            inventory: Inventory::default(),
            processes: Processes::default(),
        })
    }

    fn adopt(&self, settings: InstanceSettings) -> Result<ResourceInstance, OllamaError> {
        address::adopt(settings)
    }

    /// Also forgets what it knew of instances that are gone, since nothing else tells it.
    async fn discover(self: Arc<Self>, context: Context) -> Result<Vec<ResourceInstance>, OllamaError> {
        let known = self.host.instances(&context).await?;
        let ids: HashSet<&str> = known.iter().map(|view| view.instance.id.as_str()).collect();
        self.traits.retain(&self.inventory.retain(&ids));
        if self.discovery.is_idle() {
            return Ok(Vec::new());
        }
        Ok(self
            .discovery
            .look(&self.client, &known, &self.processes.addresses())
            .await)
    }

    async fn probe(
        self: Arc<Self>,
        _: Context,
        instance: Arc<ResourceInstance>,
    ) -> Result<Probe, OllamaError> {
        let process = match instance.origin {
            Origin::Started => self.processes.of(&instance.id),
            Origin::Configured | Origin::Discovered => None,
        };
        if let Some(process) = &process {
            process.check()?;
        }
        let server = Server::of(&self.client, &instance)?;
        let version = async { server.version().await.map_err(OllamaError::from) };
        let (version, listed, running) = tokio::try_join!(version, server.tags(), server.ps())?;
        self.traits.learn(server, &listed).await;
        let stored = self.inventory.take(&instance.id, &listed, &self.traits);
        Ok(Probe {
            capabilities: Some(inventory::with_residency(&stored, &running)),
            load: match &process {
                Some(process) => process.load().await,
                None => plugin_api::contract::probe::Load::default(),
            },
            version: Some(version),
            gauges: gauges(stored.len(), &running),
            ..Probe::default()
        })
    }

    async fn refresh(
        self: Arc<Self>,
        _: Context,
        instance: Arc<ResourceInstance>,
    ) -> Result<Option<Vec<Capability>>, OllamaError> {
        let server = Server::of(&self.client, &instance)?;
        let running = server.ps().await?;
        let stored = match self.inventory.of(&instance.id) {
            Some(stored) if !inventory::is_stale(&stored, &running) => stored,
            _ => self
                .inventory
                .take(&instance.id, &server.tags().await?, &self.traits),
        };
        Ok(Some(inventory::with_residency(&stored, &running)))
    }

    async fn prepare(
        self: Arc<Self>,
        _: Context,
        instance: Arc<ResourceInstance>,
        capability: String,
        hint: Option<Value>,
    ) -> Result<(), OllamaError> {
        let server = Server::of(&self.client, &instance)?;
        if self.holds(&instance, &capability).await?.is_none() {
            tracing::info!(
                instance = instance.id,
                model = capability,
                "pulling, because no server has it"
            );
            let mut log = PullLog::default();
            server
                .pull(&capability, false, |line| {
                    log.report(&instance.id, &capability, &line)
                })
                .await?;
        }
        self.load(&instance, &capability, &hint.unwrap_or_default()).await
    }

    async fn start(self: Arc<Self>, _: Context, specification: Value) -> Result<ResourceInstance, Error> {
        let config: StartConfig = serde_json::from_value(specification)?;
        self.processes
            .start(&self.client, config)
            .await
            .map_err(Error::from)
    }

    async fn stop(self: Arc<Self>, _: Context, instance: Arc<ResourceInstance>) -> Result<(), Error> {
        self.processes.stop(&instance.id).await.map_err(Error::from)
    }

    async fn control(
        self: Arc<Self>,
        context: Context,
        verb: String,
        arguments: Value,
        instance: Option<Arc<ResourceInstance>>,
        progress: Progress,
    ) -> Result<Value, Error> {
        match instance {
            Some(instance) => verbs::on_instance(&self, &instance, &verb, arguments, &progress).await,
            None => verbs::on_fleet(&verb, arguments, &self.host.instances(&context).await?),
        }
    }
}

impl OllamaHub {
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The model as the instance has it on disk, asked anew where it is not known: names come in many spellings and
    /// others pull as well, and a needless pull is gigabytes.
    async fn holds(
        &self,
        instance: &ResourceInstance,
        name: &str,
    ) -> Result<Option<Capability>, OllamaError> {
        if let Some(stored) = self.inventory.of(&instance.id)
            && let Some(model) = inventory::find(&stored, name)
        {
            return Ok(Some(model.clone()));
        }
        let server = Server::of(&self.client, instance)?;
        let stored = self
            .inventory
            .take(&instance.id, &server.tags().await?, &self.traits);
        Ok(inventory::find(&stored, name).cloned())
    }

    /// Loads a model, or unloads it where the hint keeps it alive for no time.
    pub(crate) async fn load(
        &self,
        instance: &ResourceInstance,
        name: &str,
        hint: &Value,
    ) -> Result<(), OllamaError> {
        let server = Server::of(&self.client, instance)?;
        let model = self.holds(instance, name).await?;
        let embeds = model.is_some_and(|model| only_embeds(&model.features));
        match server.load(name, embeds, hint).await {
            // What it can do was a guess; the server knows better.
            Err(OllamaError::Refused { message, .. })
                if !embeds && message.contains("does not support generate") =>
            {
                server.load(name, true, hint).await
            }
            other => other,
        }
    }
}

fn gauges(on_disk: usize, running: &[Running]) -> BTreeMap<String, f64> {
    let sum = |size: fn(&Running) -> u64| running.iter().map(size).sum::<u64>() as f64;
    [
        ("models_on_disk", on_disk as f64),
        ("models_loaded", running.len() as f64),
        ("loaded_bytes", sum(|model| model.size)),
        ("loaded_vram_bytes", sum(|model| model.size_vram)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Tells the log how a pull goes, without a line for every one of the thousands that come.
#[derive(Debug, Default)]
struct PullLog {
    status: String,
    tenths: u64,
}

impl PullLog {
    fn report(&mut self, instance: &str, model: &str, line: &Value) {
        let number = |key: &str| line.get(key).and_then(Value::as_u64);
        let status = line.get("status").and_then(Value::as_str).unwrap_or_default();
        let tenths = match (number("completed"), number("total")) {
            (Some(completed), Some(total)) if total > 0 => completed.saturating_mul(10) / total,
            _ => 0,
        };
        if status != self.status || tenths > self.tenths {
            status.clone_into(&mut self.status);
            tracing::info!(instance, model, status, percent = tenths * 10, "pulling");
        }
        self.tenths = tenths;
    }
}
