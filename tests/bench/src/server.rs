//! A server in a process of its own, ended when it is dropped.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::process::Usage;

/// How long a server may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// How long a server may take to end once it was asked to.
const END_WITHIN: Duration = Duration::from_secs(3);

/// A running server. Dropping it asks it and its children to end, and after a while does not ask.
#[derive(Debug)]
pub(crate) struct Server {
    name: String,
    child: Option<Child>,
    log: Option<PathBuf>,
}

impl Server {
    /// Starts it, in a process group of its own, so that a server with workers is ended whole. What it says goes to a
    /// log, which is shown if it does not come up.
    pub(crate) fn spawn(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        command.stdout(file.try_clone()?).stderr(file);
        let mut server = Self::start(name, command)?;
        server.log = Some(log.to_owned());
        Ok(server)
    }

    /// Starts one that says on its first line where it listens.
    pub(crate) fn spawn_announcing(name: &str, command: &mut Command) -> anyhow::Result<(Self, SocketAddr)> {
        let mut server = Self::start(name, command.stdout(Stdio::piped()))?;
        let out = server.child.as_mut().and_then(|child| child.stdout.take());
        let mut line = String::new();
        BufReader::new(out.context("no standard output")?).read_line(&mut line)?;
        let addr = line.trim().rsplit('/').next().and_then(|addr| addr.parse().ok());
        Ok((
            server,
            addr.with_context(|| format!("{name} said {line:?} instead of where it listens"))?,
        ))
    }

    fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        command.process_group(0).stdin(Stdio::null());
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name}: {command:?}"))?;
        Ok(Self {
            name: name.to_owned(),
            child: Some(child),
            log: None,
        })
    }

    /// What it uses, with its children.
    pub(crate) fn usage(&self) -> Usage {
        self.child
            .as_ref()
            .map(|child| Usage::of(child.id()))
            .unwrap_or_default()
    }

    /// Its process id; `None` once it was ended.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Waits until a `GET` of this URL is answered with 200, looking every half millisecond.
    pub(crate) async fn ready(&mut self, url: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let last = match fakes::client::get(url).await {
                Ok(answer) if answer.status == 200 => return Ok(()),
                Ok(answer) => format!("status {}: {}", answer.status, answer.text()),
                Err(error) => error.to_string(),
            };
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                bail!("{} ended at once: {status}\n{}", self.name, self.said());
            }
            if Instant::now() > deadline {
                bail!(
                    "{} is not ready after {READY_WITHIN:?}: GET {url}: {last}\n{}",
                    self.name,
                    self.said()
                );
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
    }

    /// What it said so far.
    fn said(&self) -> String {
        self.log
            .as_ref()
            .and_then(|log| std::fs::read_to_string(log).ok())
            .unwrap_or_default()
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            signal("-KILL", child.id());
            // Reaps it; a process that was killed ends.
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let group = child.id();
        signal("-TERM", group);
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || ended.send(child.wait().is_ok()));
        if end.recv_timeout(END_WITHIN).is_err() {
            eprintln!(
                "note: {} did not end within {END_WITHIN:?} and is killed",
                self.name
            );
            signal("-KILL", group);
            // The thread reaps it; nothing is left to be done here.
            let _ = end.recv_timeout(END_WITHIN);
        }
    }
}

/// Signals a process group which we started.
fn signal(signal: &str, group: u32) {
    let sent = Command::new("kill")
        .args([signal, "--", &format!("-{group}")])
        .stderr(Stdio::null())
        .status();
    if let Err(error) = sent {
        eprintln!("note: cannot run kill: {error}");
    }
}
