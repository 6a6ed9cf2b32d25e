//! One server process.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use plugin_api::contract::probe::Load;
use plugin_api::output::Tail;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::sync::watch;

use super::ProcessError;
use super::guard::Guard;
use super::usage::{self, Sample};
use crate::config::StartConfig;

/// How long the kernel may take to end a killed process.
const KILLED: Duration = Duration::from_secs(3);

/// How long to wait for what a server printed before it ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A server that runs, or ran. Dropping it kills the server and whatever the server started.
#[derive(Debug)]
pub(crate) struct Process {
    program: String,
    group: Pid,
    address: SocketAddr,
    stop_timeout: Duration,
    tail: Arc<Tail>,
    /// How it ended; `None` while it runs. Set by the task that reaps it.
    ended: watch::Receiver<Option<String>>,
    /// What it used when it was last asked, to tell how much since.
    sample: Mutex<Option<Sample>>,
}

impl Process {
    /// Runs the command in the host's own environment and the configured variables.
    pub(super) fn spawn(config: &StartConfig, id: &str) -> Result<Self, ProcessError> {
        let (program, arguments) = config.command.split_first().ok_or(ProcessError::NoCommand)?;
        let variables = config.variables();
        if effective("HOME", &variables).is_none_or(|home| home.is_empty()) {
            return Err(ProcessError::NoHome);
        }
        let cannot = |error: std::io::Error| ProcessError::Spawn {
            program: program.clone(),
            reason: match error.kind() {
                std::io::ErrorKind::NotFound => {
                    format!(
                        "it is not there; PATH is {}",
                        effective("PATH", &variables).unwrap_or_default()
                    )
                }
                _ => error.to_string(),
            },
        };
        let guard = Guard::spawn()?;
        let mut child = Command::new(program)
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot)?;
        let group = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let group = group.ok_or_else(|| cannot(std::io::ErrorKind::NotFound.into()))?;
        let tail = Arc::new(Tail::default());
        let (end, ended) = watch::channel(None);
        let process = Self {
            program: config.command.join(" "),
            group,
            address: config.address(),
            stop_timeout: config.stop_timeout.0,
            tail: tail.clone(),
            ended,
            sample: Mutex::new(None),
        };
        let outputs = [
            child.stdout.take().map(|pipe| tail.follow(pipe, log(id))),
            child.stderr.take().map(|pipe| tail.follow(pipe, log(id))),
        ];
        let id = id.to_owned();
        tokio::spawn(async move {
            let guard = guard.watch(group).await;
            let status = match child.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
            // Runners that outlived their server would hold its memory and its pipes.
            kill(group, Signal::KILL);
            // Its last words are in the pipes still. A process that left the group may hold them open for ever.
            let last_words = join_all(outputs.into_iter().flatten());
            let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
            tracing::info!(
                instance = id,
                pid = group.as_raw_nonzero().get(),
                status,
                "the server has ended"
            );
            let _ = end.send(Some(status));
            guard.dismiss().await;
        });
        Ok(process)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.group.as_raw_nonzero().get().cast_unsigned()
    }

    pub(super) fn program(&self) -> &str {
        &self.program
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its last lines, ready to follow a message; empty if it said nothing.
    pub(super) fn last_lines(&self) -> String {
        self.tail.to_string()
    }

    /// How it ended, if it has.
    pub(super) fn ended(&self) -> Option<String> {
        self.ended.borrow().clone()
    }

    /// Fails with the reason if it has ended.
    pub(crate) fn check(&self) -> Result<(), ProcessError> {
        match self.ended() {
            None => Ok(()),
            Some(status) => Err(ProcessError::Gone {
                pid: self.pid(),
                status,
                output: self.last_lines(),
            }),
        }
    }

    /// Resolves when it has ended, with how. Cancel safe.
    pub(super) async fn wait(&self) -> String {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(status) => status.clone().unwrap_or_default(),
            // Whoever would say it is gone, and the process was killed with it.
            Err(_) => "killed".to_owned(),
        }
    }

    /// Asks it to end, and kills it when its time is over. Dropping the future does not take that back.
    pub(super) async fn stop(self: &Arc<Self>) -> Result<(), ProcessError> {
        let process = self.clone();
        let ending = tokio::spawn(async move { process.end().await });
        ending.await.unwrap_or(Err(ProcessError::Unkillable(self.pid())))
    }

    async fn end(&self) -> Result<(), ProcessError> {
        if self.ended().is_some() {
            return Ok(());
        }
        kill(self.group, Signal::TERM);
        if tokio::time::timeout(self.stop_timeout, self.wait()).await.is_ok() {
            return Ok(());
        }
        tracing::warn!(pid = self.pid(), "the server does not end by itself; killing it");
        if self.kill().await {
            Ok(())
        } else {
            Err(ProcessError::Unkillable(self.pid()))
        }
    }

    /// Kills it and waits until it is gone; says whether it is.
    pub(super) async fn kill(&self) -> bool {
        kill(self.group, Signal::KILL);
        tokio::time::timeout(KILLED, self.wait()).await.is_ok()
    }

    /// What it and the processes it started use of the machine; processor time since the last time it was asked.
    pub(crate) async fn load(&self) -> Load {
        let group = self.group;
        let Ok(Some(now)) = tokio::task::spawn_blocking(move || usage::sample(group)).await else {
            return Load::default();
        };
        let before = self.sample.lock().replace(now.clone());
        now.since(before.as_ref())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            kill(self.group, Signal::KILL);
        }
    }
}

/// A group that is gone already needs no killing, so failure means nothing.
fn kill(group: Pid, signal: Signal) {
    let _ = kill_process_group(group, signal);
}

fn log(id: &str) -> impl FnMut(&str) + Send + 'static {
    let instance = id.to_owned();
    move |line| tracing::info!(target: "ollama_hub::server", instance, "{line}")
}

/// The value that the child would see.
fn effective(name: &str, variables: &[(String, String)]) -> Option<String> {
    let configured = variables.iter().rev().find(|(other, _)| other == name);
    configured
        .map(|(_, value)| value.clone())
        .or_else(|| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
}
