//! The back ends: a pair of fakes, each in a process of its own.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::options::Options;
use crate::server::Server;
use crate::workload::Dialect;

/// Two back ends.
#[derive(Debug)]
pub(crate) struct Pair {
    /// Where they listen.
    pub(crate) addrs: [SocketAddr; 2],
    servers: [Server; 2],
}

impl Pair {
    /// Two that answer canned bytes, in both dialects: streams of so many tokens, with so many milliseconds between
    /// them. Their model is `bench:latest`.
    pub(crate) fn canned(options: &Options, tokens: usize, pause_millis: u64) -> anyhow::Result<Self> {
        Self::start(
            options,
            &[
                "bench",
                "--chunks",
                &tokens.to_string(),
                "--chunk-delay",
                &format!("{pause_millis}ms"),
            ],
        )
    }

    /// Two that behave like the real ones, and fail on command. Their model is `bench:latest`.
    pub(crate) fn faithful(options: &Options, dialect: Dialect) -> anyhow::Result<Self> {
        Self::start(
            options,
            &[dialect.name(), "--models", "bench:latest", "--words", "20"],
        )
    }

    fn start(options: &Options, arguments: &[&str]) -> anyhow::Result<Self> {
        let one =
            || Server::spawn_announcing("fake-server", Command::new(&options.fake_server).args(arguments));
        let ((a, at_a), (b, at_b)) = (one()?, one()?);
        Ok(Self {
            addrs: [at_a, at_b],
            servers: [a, b],
        })
    }

    /// From now on the first one has this fault, but not for probes.
    pub(crate) async fn fail_first(&self, fault: Value) -> anyhow::Result<()> {
        let url = format!("http://{}/__fault", self.addrs[0]);
        let answer = fakes::client::post(&url, &json!({"fault": fault, "spare_probes": true})).await?;
        ensure!(
            answer.status < 300,
            "POST {url}: {} {}",
            answer.status,
            answer.text()
        );
        Ok(())
    }

    /// Kills the first one.
    pub(crate) fn kill_first(&mut self) {
        self.servers[0].kill();
    }
}
