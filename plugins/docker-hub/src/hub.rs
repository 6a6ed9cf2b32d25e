//! The hub: what the host asks of it, put together from the other modules.

use std::collections::HashSet;
use std::sync::Arc;

use plugin_api::contract::instance::{InstanceSettings, Origin};
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::probe::Probe;
use plugin_api::contract::requirement::Requirement;
use plugin_api::contract::workload::Workload;
use plugin_api::hub::Progress;
use plugin_api::owner::Owner;
use plugin_api::{Context, Error, Host, Hub, ResourceInstance};
use serde_json::Value;

use crate::config::Config;
use crate::engine::events::Ears;
use crate::engine::report::runtime_capability;
use crate::engine::{Engine, Engines, address, discovery};
use crate::error::DockerError;
use crate::image;
use crate::sandbox::directory::Directories;
use crate::sandbox::plan::LEAST_MEMORY;
use crate::sandbox::{Sandboxes, Starter, admit, sweep, usage};
use crate::verbs::{self, Call};

/// How many engines a workload is offered to, where those before cannot be reached.
const ATTEMPTS: usize = 3;

/// Containers, and the engines that run them.
#[derive(Debug)]
pub struct DockerHub {
    config: Arc<Config>,
    host: Host,
    owner: Arc<Owner>,
    engines: Engines,
    ears: Ears,
    sandboxes: Arc<Sandboxes>,
    directories: Arc<Directories>,
}

impl Hub for DockerHub {
    type Config = Config;
    type Error = DockerError;

    fn new(config: Config, host: Host) -> Result<Self, DockerError> {
        if config.limits.memory.0 < LEAST_MEMORY {
            return Err(DockerError::NoMemory(config.limits.memory));
        }
        let owner = Owner::this();
        Ok(Self {
            directories: Arc::new(Directories::new(config.state_dir.clone(), owner.clone())),
            owner: Arc::new(owner),
            config: Arc::new(config),
            engines: Engines::default(),
            ears: Ears::default(),
            sandboxes: Arc::new(Sandboxes::new(host.clone())),
            host,
        })
    }

    fn adopt(&self, settings: InstanceSettings) -> Result<ResourceInstance, DockerError> {
        address::adopt(settings)
    }

    /// Also sweeps: the engines for orphans, and this machine for what hosts have left that ended suddenly.
    async fn discover(self: Arc<Self>, context: Context) -> Result<Vec<ResourceInstance>, DockerError> {
        let known = self.host.instances(&context).await?;
        let configured: Vec<&ResourceInstance> = known
            .iter()
            .map(|view| &view.instance)
            .filter(|instance| instance.origin == Origin::Configured)
            .collect();
        let found = if self.config.auto_discover && configured.is_empty() {
            discovery::look()
        } else {
            Vec::new()
        };
        let here: HashSet<&str> = configured
            .iter()
            .copied()
            .chain(&found)
            .map(|instance| instance.id.as_str())
            .collect();
        self.engines.retain(|id| here.contains(id));
        self.ears.retain(|id| here.contains(id));
        self.directories.sweep();
        for engine in self.engines.all() {
            if let Err(error) = sweep::sweep(&engine, &self.owner, &self.sandboxes).await {
                tracing::debug!(engine = engine.instance(), %error, "cannot sweep");
            }
        }
        Ok(found)
    }

    async fn probe(
        self: Arc<Self>,
        _: Context,
        instance: Arc<ResourceInstance>,
    ) -> Result<Probe, DockerError> {
        if instance.origin == Origin::Started {
            let sandbox = self.sandboxes.of(&instance.id);
            return usage::probe(sandbox.ok_or_else(|| gone(&instance.id))?.as_ref()).await;
        }
        let engine = self.engine(&instance)?;
        let report = engine.look().await?;
        let images = image::all(&engine).await?;
        self.ears.listen(&engine, &self.owner, &self.sandboxes);
        let mut gauges = report.gauges();
        gauges.extend(usage::together(&self.sandboxes.on(engine.instance())));
        gauges.insert("containers_stuck".to_owned(), engine.stuck().all().len() as f64);
        Ok(Probe {
            degraded: report.unfit().map(|reason| format!("the engine {reason}")),
            capabilities: Some(report.capabilities(&images)),
            version: Some(report.version.clone()),
            gauges,
            ..Probe::default()
        })
    }

    async fn start(
        self: Arc<Self>,
        context: Context,
        specification: Value,
    ) -> Result<ResourceInstance, Error> {
        let workload: Workload = serde_json::from_value(specification)?;
        admit::check(&workload)?;
        let workload = Arc::new(workload);
        let starter = Starter {
            config: self.config.clone(),
            host: self.host.clone(),
            owner: self.owner.clone(),
            directories: self.directories.clone(),
            sandboxes: self.sandboxes.clone(),
        };
        let mut requirement = requirement(&workload);
        let mut tried = HashSet::new();
        loop {
            let lease = self.host.lease(&context, &requirement).await?;
            let engine = self.engine(lease.instance())?;
            tried.insert(engine.instance().to_owned());
            match starter.start(engine, workload.clone()).await {
                Ok(instance) => {
                    lease.finish(Outcome::Success);
                    return Ok(instance);
                }
                Err(error) => {
                    lease.finish(error.outcome());
                    let next = if error.is_unreachable() && tried.len() < ATTEMPTS {
                        self.another(&context, &tried).await
                    } else {
                        None
                    };
                    let Some(next) = next else {
                        return Err(error.into());
                    };
                    tracing::info!(%error, next, "trying another engine");
                    requirement.instance = Some(next);
                }
            }
        }
    }

    async fn control(
        self: Arc<Self>,
        context: Context,
        verb: String,
        arguments: Value,
        instance: Option<Arc<ResourceInstance>>,
        progress: Progress,
    ) -> Result<Value, Error> {
        let Some(instance) = instance else {
            return verbs::on_container(&self, &context, &verb, arguments, &progress).await;
        };
        let engine = match self.sandboxes.of(&instance.id) {
            Some(sandbox) => sandbox.engine.clone(),
            None => self.engine(&instance)?,
        };
        let call = Call {
            hub: &self,
            engine,
            arguments,
            progress: &progress,
        };
        verbs::on_engine(&verb, call).await
    }

    async fn stop(self: Arc<Self>, _: Context, instance: Arc<ResourceInstance>) -> Result<(), Error> {
        self.sandboxes.stop(&instance.id).await.map_err(Error::from)
    }
}

impl DockerHub {
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    pub(crate) fn sandboxes(&self) -> &Sandboxes {
        &self.sandboxes
    }

    pub(crate) fn directories(&self) -> &Directories {
        &self.directories
    }

    /// The engines there are now, as the host has them.
    pub(crate) async fn engines_now(&self, context: &Context) -> Result<Vec<Arc<Engine>>, Error> {
        let known = self.host.instances(context).await?;
        let engines = known
            .iter()
            .map(|view| &view.instance)
            .filter(|instance| instance.origin != Origin::Started);
        engines
            .map(|instance| self.engine(instance).map_err(Error::from))
            .collect()
    }

    /// The engine of an instance.
    fn engine(&self, instance: &ResourceInstance) -> Result<Arc<Engine>, DockerError> {
        self.engines.of(instance, self.config.call_timeout.0)
    }

    /// An engine that was not tried yet, and that would be used now.
    async fn another(&self, context: &Context, tried: &HashSet<String>) -> Option<String> {
        let known = self.host.instances(context).await.ok()?;
        let fits =
            |instance: &ResourceInstance| instance.origin != Origin::Started && !tried.contains(&instance.id);
        known
            .into_iter()
            .find(|view| view.routable && fits(&view.instance))
            .map(|view| view.instance.id)
    }
}

/// What an engine must have for a workload.
fn requirement(workload: &Workload) -> Requirement {
    let mut requirement = Requirement {
        capability: workload.runtime.as_deref().map(runtime_capability),
        ..Requirement::default()
    };
    if !workload.gpus.is_empty() {
        requirement
            .capability
            .get_or_insert_with(|| "container".to_owned());
        requirement.features.insert("gpu".to_owned());
    }
    requirement
}

fn gone(instance: &str) -> DockerError {
    plugin_api::Error::not_found(format!("the container {instance} has ended")).into()
}
