//! From a profile to the box that a hub starts, and to what the runner in it is told.

use std::collections::BTreeMap;

use plugin_api::contract::workload::{Isolation, Limits, Network, Scratch, Syscalls, Workload};
use serde_json::{Value, json};

use super::{Profile, Table};
use crate::level::Level;
use crate::runner;

/// The one directory that code may write.
pub(super) const SCRATCH: &str = "/tmp";
/// Where it starts.
pub(super) const WORK: &str = "/tmp/work";
/// The image of `sandboxed` and `specialized` where none is named.
const IMAGE: &str = "python:3.13-slim";
/// Who the code is, where the box has several users: `nobody`.
const NOBODY: u32 = 65534;

impl Profile {
    /// The workload of this profile with these numbers, which are its own or tighter.
    pub(crate) fn specification_of(&self, table: &Table) -> Value {
        // A workload is plain data: this cannot fail.
        serde_json::to_value(self.workload(table)).unwrap_or_default()
    }

    pub(crate) fn image(&self) -> Option<String> {
        let contained = matches!(self.level, Level::Sandboxed | Level::Specialized);
        let image = || self.settings.image.clone().unwrap_or_else(|| IMAGE.into());
        contained.then(image)
    }

    /// The box, and the runner in it as process 1.
    pub(crate) fn workload(&self, table: &Table) -> Workload {
        let settings = &self.settings;
        let contained = matches!(self.level, Level::Sandboxed | Level::Specialized);
        let trusted = self.level == Level::Trusted;
        let capabilities = ["KILL", "SETGID", "SETUID"].map(str::to_owned);
        let python = settings.python.as_deref().unwrap_or("python3");
        Workload {
            image: self.image(),
            command: runner::command(python, &self.runner(table)),
            environment: self.environment(),
            working_directory: None,
            user: contained.then(|| "0:0".to_owned()),
            limits: Limits {
                memory_bytes: Some(table.memory),
                cpus: Some(table.cpus),
                processes: Some(table.processes),
                open_files: Some(table.open_files.max(64)),
                file_bytes: Some(table.file),
                shared_memory_bytes: Some(table.shared_memory),
            },
            network: match (&settings.network, trusted) {
                (_, true) => Network::Host,
                (Some(name), false) => Network::Named(name.clone()),
                (None, false) => Network::None,
            },
            capabilities: if contained {
                capabilities.into()
            } else {
                Default::default()
            },
            syscalls: match settings.syscalls {
                _ if trusted => Syscalls::Unfiltered,
                Some(syscalls) => syscalls,
                None => Syscalls::Standard,
            },
            scratch: if trusted { Vec::new() } else { vec![scratch(table)] },
            readable: settings.readable.clone().unwrap_or_default(),
            isolation: match self.level {
                Level::Trusted => Isolation::None,
                Level::Restricted => Isolation::System,
                Level::Sandboxed | Level::Specialized => Isolation::Container,
            },
            runtime: settings.runtime.clone(),
            gpus: settings.gpus.clone().unwrap_or_default(),
            lifetime_seconds: Some(table.lifetime.0.as_secs() + table.timeout.0.as_secs() + 60),
            labels: BTreeMap::from([("gleitzeit.profile".to_owned(), self.name.clone())]),
        }
    }

    /// The runner's own configuration.
    fn runner(&self, table: &Table) -> Value {
        let contained = matches!(self.level, Level::Sandboxed | Level::Specialized);
        let trusted = self.level == Level::Trusted;
        json!({
            "uid": contained.then_some(NOBODY),
            "gid": contained.then_some(NOBODY),
            // A trusted process makes a directory of its own.
            "work": (!trusted).then_some(WORK),
            "wipe": match self.level {
                Level::Trusted => vec![],
                _ => vec![SCRATCH, "/dev/shm", "/dev/mqueue"],
            },
            // A box has System V objects of its own.
            "ipc": !trusted,
            "memory": table.memory,
            "environment": self.environment(),
            "preimport": self.preimport(),
            "open_files": table.open_files,
            "processes": table.processes,
            "file_bytes": table.file,
            "lifetime": table.lifetime.0.as_secs_f64(),
        })
    }
}

fn scratch(table: &Table) -> Scratch {
    Scratch {
        path: SCRATCH.to_owned(),
        bytes: table.scratch,
        files: table.scratch_files,
        mode: 0o1777,
    }
}
