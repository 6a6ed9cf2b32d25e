//! What others do with the same code: the engine by hand, the bare interpreter, and the peers from PyPI.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use containers::{Engine, Image};
use serde_json::Value;

use super::host::{ANSWER, CODE};

/// Where the peers are installed, and what runs them.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// A container that waits, for `docker exec`. Dropping it removes it.
pub(super) struct Waiting(Engine, String);

impl Waiting {
    /// Starts it with the limits of a sandbox.
    pub(super) fn start(engine: Engine) -> anyhow::Result<Self> {
        let limits = ["--memory", "256m", "--network", "none", "--pids-limit", "64"];
        let command = [Image::Plain.name(), "sleep", "3600"];
        let arguments = ["run", "--detach", "--rm", "--init"]
            .into_iter()
            .chain(limits)
            .chain(command);
        Ok(Self(engine, engine.docker(arguments)?))
    }

    /// The command that runs the code there.
    pub(super) fn exec(&self) -> Vec<String> {
        ["docker", "exec", &self.1, "python3", "-c", CODE]
            .map(str::to_owned)
            .to_vec()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It removes itself once it has ended; if it had, there is nothing to do.
        let _ = self.0.docker(["rm", "--force", &self.1]);
    }
}

/// The command that runs the code in a container of its own.
pub(super) fn run() -> Vec<String> {
    let command = [
        "docker",
        "run",
        "--rm",
        "--memory",
        "256m",
        "--network",
        "none",
        "--pids-limit",
        "64",
    ];
    let command = command
        .into_iter()
        .chain([Image::Plain.name(), "python3", "-c", CODE]);
    command.map(str::to_owned).collect()
}

/// The command that runs the code in nothing at all.
pub(super) fn bare() -> Vec<String> {
    ["/usr/bin/python3", "-c", CODE].map(str::to_owned).to_vec()
}

/// Runs a command again and again: the time of each in milliseconds.
pub(super) async fn again(command: &[String], lasting: Duration) -> anyhow::Result<Vec<f64>> {
    let begun = Instant::now();
    let mut times = Vec::new();
    while begun.elapsed() < lasting {
        let started = Instant::now();
        let output = tokio::process::Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot run {}", command[0]))?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
        ensure!(output.stdout == ANSWER.as_bytes(), "{command:?}: {output:?}");
    }
    Ok(times)
}

/// The interpreter with the peers, which are installed on the first call.
pub(super) fn peers() -> anyhow::Result<PathBuf> {
    let directory = PathBuf::from(PEERS).join("../../../target/peers");
    let output = std::process::Command::new("sh")
        .arg(format!("{PEERS}/setup.sh"))
        .arg(&directory)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run sh")?;
    ensure!(
        output.status.success(),
        "the peers could not be set up (they need python3 with venv, and PyPI)"
    );
    Ok(directory.join("venv/bin/python"))
}

/// What a peer did.
#[derive(Debug)]
pub(super) struct Peer {
    /// Milliseconds until it was open.
    pub(super) open: f64,
    /// Of each run.
    pub(super) runs: Vec<f64>,
    /// Until it was closed.
    pub(super) close: f64,
}

/// Opens a peer, lets it run the code, and closes it.
pub(super) async fn peer(python: &PathBuf, name: &str, lasting: Duration) -> anyhow::Result<Peer> {
    let running = tokio::process::Command::new(python)
        .arg(format!("{PEERS}/run.py"))
        .args([name, &lasting.as_secs_f64().to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(lasting + Duration::from_secs(60), running)
        .await
        .context("it did not end within a minute")??;
    let found: Value = serde_json::from_slice(&output.stdout).context("it said nothing")?;
    if let Some(error) = found["error"].as_str() {
        anyhow::bail!("{error}");
    }
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    Ok(Peer {
        open: number(&found["open"]),
        runs: found["runs"]
            .as_array()
            .into_iter()
            .flatten()
            .map(number)
            .collect(),
        close: number(&found["close"]),
    })
}
