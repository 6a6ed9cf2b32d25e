//! Who takes part: the bare back end, nginx, HAProxy and the host.

mod haproxy;
mod host;
mod nginx;

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::Serialize;

use crate::options::Options;
use crate::process::Usage;
use crate::server::Server;
use crate::workload::Dialect;

pub(crate) use host::stage;

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Nothing in between.
    Direct,
    /// nginx, least connections, unbuffered, connections kept.
    Nginx,
    /// HAProxy, least connections, two threads.
    Haproxy,
    /// This project.
    Host,
}

impl Kind {
    /// Those that stand in front of back ends, the host only if it is wanted.
    pub(crate) fn gateways(options: &Options) -> Vec<Self> {
        let all = [Self::Nginx, Self::Haproxy, Self::Host];
        all.into_iter()
            .filter(|kind| *kind != Self::Host || !options.without_host)
            .collect()
    }

    /// The name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Host => "Gleitzeit",
        }
    }

    /// What to `GET` in order to see that it serves.
    fn ready_path(self, dialect: Dialect) -> &'static str {
        match self {
            Self::Host => "/readyz",
            Self::Direct | Self::Nginx | Self::Haproxy => dialect.probe(),
        }
    }
}

/// One contestant in front of two back ends.
#[derive(Debug)]
pub(crate) struct Contestant {
    /// Who.
    pub(crate) kind: Kind,
    /// Where to ask.
    pub(crate) addr: SocketAddr,
    server: Option<Server>,
    recipe: Option<Recipe>,
}

/// How to start one, as often as wanted.
#[derive(Debug)]
struct Recipe {
    command: Command,
    files: tempfile::TempDir,
}

impl Contestant {
    /// Writes what it needs and does not start it.
    pub(crate) fn prepare(
        kind: Kind,
        back_ends: [SocketAddr; 2],
        dialect: Dialect,
        options: &Options,
    ) -> anyhow::Result<Self> {
        if kind == Kind::Direct {
            return Ok(Self {
                kind,
                addr: back_ends[0],
                server: None,
                recipe: None,
            });
        }
        let files = tempfile::Builder::new().prefix("gleitzeit-bench-").tempdir()?;
        let addr = crate::port::free()?;
        let command = match kind {
            Kind::Direct | Kind::Nginx => nginx::prepare(addr, back_ends, files.path())?,
            Kind::Haproxy => haproxy::prepare(addr, back_ends, dialect, files.path())?,
            Kind::Host => host::prepare(options, addr, back_ends, dialect, files.path())?,
        };
        Ok(Self {
            kind,
            addr,
            server: None,
            recipe: Some(Recipe { command, files }),
        })
    }

    /// Starts one and waits until it has forwarded a chat with `model`.
    pub(crate) async fn start(
        kind: Kind,
        back_ends: [SocketAddr; 2],
        dialect: Dialect,
        model: &str,
        options: &Options,
    ) -> anyhow::Result<Self> {
        let mut contestant = Self::prepare(kind, back_ends, dialect, options)?;
        contestant.launch()?;
        contestant.serves(dialect).await?;
        contestant.answers(dialect, model).await?;
        Ok(contestant)
    }

    /// Starts the process.
    pub(crate) fn launch(&mut self) -> anyhow::Result<()> {
        if let Some(Recipe { command, files }) = &mut self.recipe {
            self.server = Some(Server::spawn(
                self.kind.name(),
                command,
                &files.path().join("log"),
            )?);
        }
        Ok(())
    }

    /// Ends the process; what it wrote to its directory stays.
    pub(crate) fn stop(&mut self) {
        self.server = None;
    }

    /// Waits until it says that it serves.
    pub(crate) async fn serves(&mut self, dialect: Dialect) -> anyhow::Result<()> {
        let url = format!("http://{}{}", self.addr, self.kind.ready_path(dialect));
        match &mut self.server {
            Some(server) => server.ready(&url).await,
            None => Ok(()),
        }
    }

    /// Asks until a chat is answered.
    pub(crate) async fn answers(&self, dialect: Dialect, model: &str) -> anyhow::Result<()> {
        let url = format!("http://{}{}", self.addr, dialect.path());
        let body: serde_json::Value = serde_json::from_str(&dialect.chat(model, false))?;
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let last = match fakes::client::post(&url, &body).await {
                Ok(answer) if answer.status == 200 => return Ok(()),
                Ok(answer) => format!("status {}: {}", answer.status, answer.text()),
                Err(error) => error.to_string(),
            };
            ensure!(
                Instant::now() < deadline,
                "{} does not answer POST {url}: {last}",
                self.kind.name()
            );
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
    }

    /// What it uses; nothing, if nothing stands in between.
    pub(crate) fn usage(&self) -> Usage {
        self.server.as_ref().map(Server::usage).unwrap_or_default()
    }
}
