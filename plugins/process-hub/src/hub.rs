//! The hub: what the host asks of it, put together from the other modules.

use std::sync::Arc;

use confine::cgroup::Parent;
use plugin_api::contract::instance::InstanceSettings;
use plugin_api::contract::probe::Probe;
use plugin_api::contract::workload::Workload;
use plugin_api::hub::Progress;
use plugin_api::{Context, Error, Host, Hub, ResourceInstance};
use serde_json::Value;

use crate::config::Config;
use crate::error::ProcessError;
use crate::processes::Processes;
use crate::room::Rooms;
use crate::verbs;

/// Local processes.
#[derive(Debug)]
pub struct ProcessHub {
    processes: Arc<Processes>,
}

impl Hub for ProcessHub {
    type Config = Config;
    type Error = ProcessError;

    fn new(config: Config, host: Host) -> Result<Self, ProcessError> {
        let groups = Parent::find(config.control_group.as_deref()).map_err(|error| ProcessError::Room {
            what: "control groups",
            reason: error.to_string(),
        })?;
        let rooms = Rooms::new(groups, config.directory.clone());
        let processes = Arc::new(Processes::new(config, host, rooms));
        // What a host that was killed has left behind; nobody waits for that.
        let sweeping = processes.clone();
        drop(tokio::task::spawn_blocking(move || {
            let removed = sweeping.rooms().sweep();
            if removed > 0 {
                tracing::info!(removed, "removed what a host that is gone has left behind");
            }
        }));
        Ok(Self { processes })
    }

    fn adopt(&self, _: InstanceSettings) -> Result<ResourceInstance, ProcessError> {
        Err(ProcessError::NoInstances)
    }

    async fn probe(
        self: Arc<Self>,
        _: Context,
        instance: Arc<ResourceInstance>,
    ) -> Result<Probe, ProcessError> {
        let process = self.processes.of(&instance.id);
        let process = process.ok_or_else(|| ProcessError::Gone("it is not there any more".to_owned()))?;
        if let Some(reason) = process.over() {
            return Err(ProcessError::Gone(reason));
        }
        let usage = process.meter().usage();
        let gauges = [
            ("processes", usage.processes),
            ("peak_memory_bytes", usage.peak_memory),
            ("out_of_memory_kills", usage.out_of_memory),
        ];
        Ok(Probe {
            load: process.load(),
            gauges: gauges
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value? as f64)))
                .collect(),
            ..Probe::default()
        })
    }

    async fn start(self: Arc<Self>, _: Context, specification: Value) -> Result<ResourceInstance, Error> {
        let workload: Workload = serde_json::from_value(specification)?;
        self.processes.start(workload).await.map_err(Error::from)
    }

    async fn stop(self: Arc<Self>, _: Context, instance: Arc<ResourceInstance>) -> Result<(), Error> {
        match self.processes.stop(&instance.id).await {
            // It has ended by itself meanwhile, which is what was wanted.
            Err(ProcessError::Foreign(_)) => Ok(()),
            other => other.map_err(Error::from),
        }
    }

    async fn control(
        self: Arc<Self>,
        _: Context,
        verb: String,
        arguments: Value,
        _: Option<Arc<ResourceInstance>>,
        _: Progress,
    ) -> Result<Value, Error> {
        verbs::run(&self.processes, &verb, arguments).await
    }
}
