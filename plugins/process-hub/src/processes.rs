//! The processes that this hub runs, by instance.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use plugin_api::contract::instance::{Endpoint, Origin};
use plugin_api::contract::workload::Workload;
use plugin_api::{Host, ResourceInstance};
use serde_json::json;

use crate::config::Config;
use crate::error::ProcessError;
use crate::plan::Plan;
use crate::process::Process;
use crate::room::Rooms;

/// The processes, and what is needed to start more. The lock is never held across an await.
#[derive(Debug)]
pub(crate) struct Processes {
    config: Config,
    host: Host,
    rooms: Rooms,
    by_instance: Mutex<HashMap<String, Arc<Process>>>,
}

impl Processes {
    pub(crate) fn new(config: Config, host: Host, rooms: Rooms) -> Self {
        Self {
            config,
            host,
            rooms,
            by_instance: Mutex::default(),
        }
    }

    pub(crate) fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// The program that locks processes down.
    pub(crate) fn launcher(&self) -> Result<PathBuf, ProcessError> {
        match &self.config.launcher {
            Some(launcher) => Ok(launcher.clone()),
            None => std::env::current_exe().map_err(|error| ProcessError::Launcher {
                program: "the host's own binary".to_owned(),
                reason: error.to_string(),
            }),
        }
    }

    /// Starts a process and waits until it listens. Dropping the future ends it and removes everything that is its.
    pub(crate) async fn start(
        self: &Arc<Self>,
        workload: Workload,
    ) -> Result<ResourceInstance, ProcessError> {
        let plan = Plan::of(workload, &self.config, &self.rooms.groups().report())?;
        let launcher = self.launcher()?;
        let id = self.new_id();
        let (room, confinement) = self.rooms.make(&id, plan)?;
        let workload = &confinement.workload;
        let program = workload.command.first().map_or("", String::as_str);
        let over = {
            let (processes, id) = (Arc::downgrade(self), id.clone());
            move |reason: &str| {
                if let Some(processes) = processes.upgrade() {
                    processes.ended(&id, reason);
                }
            }
        };
        let process = Process::spawn(&launcher, &id, room, &confinement, over).await?;
        let (inside, socket) = process.ready(program, self.config.start_timeout.0).await?;

        let mut instance = ResourceInstance::new(&id);
        instance.endpoint = Some(Endpoint::new(format!("unix:{socket}")));
        instance.origin = Origin::Started;
        instance.max_concurrent = Some(1);
        let metadata = json!({
            "pid": inside.pid,
            "identities": inside.ids,
            "isolation": workload.isolation,
            "program": program,
            "limits": workload.limits,
            "labels": workload.labels,
        });
        if let serde_json::Value::Object(metadata) = metadata {
            instance.metadata = metadata;
        }
        let process = Arc::new(process);
        self.by_instance.lock().insert(id.clone(), process.clone());
        // It may have ended between its first word and this one; whoever tells then found nobody to tell of.
        if let Some(reason) = process.over() {
            self.by_instance.lock().remove(&id);
            return Err(ProcessError::Gone(reason));
        }
        Ok(instance)
    }

    /// Ends a process and waits until nothing of it is left. Dropping the future does not take that back.
    pub(crate) async fn stop(&self, id: &str) -> Result<(), ProcessError> {
        // Taken out first: an end that was asked for is no loss to tell the host of.
        let process = self.by_instance.lock().remove(id);
        let process = process.ok_or_else(|| ProcessError::Foreign(id.to_owned()))?;
        if process.stop().await {
            return Ok(());
        }
        // The next attempt has to find it, or it would be taken for one that has ended.
        self.by_instance.lock().insert(id.to_owned(), process.clone());
        if process.over().is_some() {
            self.by_instance.lock().remove(id);
            return Ok(());
        }
        Err(ProcessError::Unkillable(id.to_owned()))
    }

    /// Kills a process as an accident would: the host hears of it and replaces it.
    pub(crate) async fn kill(&self, id: &str) -> Result<(), ProcessError> {
        let process = self.of(id).ok_or_else(|| ProcessError::Foreign(id.to_owned()))?;
        if process.stop().await {
            Ok(())
        } else {
            Err(ProcessError::Unkillable(id.to_owned()))
        }
    }

    /// The process behind an instance.
    pub(crate) fn of(&self, id: &str) -> Option<Arc<Process>> {
        self.by_instance.lock().get(id).cloned()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(String, Arc<Process>)> {
        let all = self.by_instance.lock();
        all.iter()
            .map(|(id, process)| (id.clone(), process.clone()))
            .collect()
    }

    fn ended(&self, id: &str, reason: &str) {
        if self.by_instance.lock().remove(id).is_some() {
            tracing::info!(instance = id, reason, "a process has ended");
            self.host.lost(id, reason);
        }
    }

    fn new_id(&self) -> String {
        loop {
            let id = format!("process-{:08x}", fastrand::u32(..));
            if !self.by_instance.lock().contains_key(&id) {
                return id;
            }
        }
    }
}
