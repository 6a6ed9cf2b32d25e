//! The hub's own verbs, as operators call them.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use plugin_api::Error;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::error::ProcessError;
use crate::processes::Processes;

pub mod arguments {
    //! What the verbs take.

    use schemars::JsonSchema;
    use serde::Deserialize;

    /// Nothing.
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Nothing {}

    /// Of `kill`.
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Kill {
        /// The process's id, as `list` shows it.
        #[schemars(length(min = 1))]
        pub id: String,
    }
}

use arguments::{Kill, Nothing};

/// How long the launcher may take to look at the machine.
const LOOK: Duration = Duration::from_secs(10);

/// Carries out a verb.
pub(crate) async fn run(processes: &Arc<Processes>, verb: &str, arguments: Value) -> Result<Value, Error> {
    match verb {
        "list" => {
            let Nothing {} = read(arguments)?;
            Ok(list(processes))
        }
        "capabilities" => {
            let Nothing {} = read(arguments)?;
            capabilities(processes).await
        }
        "cleanup" => {
            let Nothing {} = read(arguments)?;
            let processes = processes.clone();
            let removed = tokio::task::spawn_blocking(move || processes.rooms().sweep()).await;
            let removed = removed.map_err(|error| Error::plugin(error.to_string()))?;
            Ok(json!({ "removed": removed }))
        }
        "kill" => {
            let Kill { id } = read(arguments)?;
            processes.kill(&id).await.map_err(Error::from)?;
            Ok(json!({ "id": id, "status": "killed" }))
        }
        _ => Err(Error::unsupported(format!("`{verb}`"))),
    }
}

fn list(processes: &Processes) -> Value {
    let mut all = processes.all();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    let rows = all.iter().map(|(id, process)| {
        let (usage, load) = (process.meter().usage(), process.load());
        json!({
            "id": id,
            "pid": process.inside().map(|inside| inside.pid),
            "age_seconds": process.age().as_secs(),
            "memory_bytes": load.memory_bytes,
            "peak_memory_bytes": usage.peak_memory,
            "cpu_seconds": usage.cpu.map(|cpu| cpu.as_secs_f64()),
            "processes": usage.processes,
        })
    });
    rows.collect()
}

/// What the launcher finds: it is the one who would have to do it.
async fn capabilities(processes: &Processes) -> Result<Value, Error> {
    let launcher = processes.launcher()?;
    let failed = |reason: String| {
        Error::from(ProcessError::Launcher {
            program: launcher.display().to_string(),
            reason,
        })
    };
    let look = Command::new(&launcher)
        .args([confine::SUBCOMMAND, confine::REPORT])
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LOOK, look)
        .await
        .map_err(|_| failed("it does not answer".to_owned()))?
        .map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}

fn read<T: DeserializeOwned>(arguments: Value) -> Result<T, Error> {
    let arguments = if arguments.is_null() { json!({}) } else { arguments };
    serde_json::from_value(arguments).map_err(Error::from)
}
