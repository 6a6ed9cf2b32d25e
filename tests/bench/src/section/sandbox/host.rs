//! The host with its sandboxes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use containers::Image;
use serde_json::{Value, json};

use super::calls::Caller;
use crate::options::Options;
use crate::server::Server;
use crate::{contestant, port};

/// What runs is asked of every contestant.
pub(super) const CODE: &str = "print(sum(range(100)))";

/// What it prints.
pub(super) const ANSWER: &str = "4950\n";

/// How long the first run at a level may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running host, and where it serves.
pub(super) struct Sandboxes {
    pub(super) server: Server,
    pub(super) addr: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Sandboxes {
    /// Starts one. `uses` is how often a box is used before another takes its place.
    pub(super) async fn start(options: &Options, idle: usize, uses: u32) -> anyhow::Result<Self> {
        let program = options
            .gleitzeit
            .as_ref()
            .context("there is no host to measure: --gleitzeit FILE")?;
        let folder = tempfile::tempdir()?;
        let addr = port::free()?;
        let plugins = folder.path().join("plugins.d");
        std::fs::create_dir(&plugins)?;
        contestant::stage(options, &plugins)?;
        std::fs::write(folder.path().join("plugins.toml"), config(addr, idle, uses))?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--config", "plugins.toml"])
            .current_dir(folder.path());
        let mut server = Server::spawn("Gleitzeit", &mut command, &folder.path().join("log"))?;
        server.ready(&format!("http://{addr}/readyz")).await?;
        Ok(Self {
            server,
            addr,
            _folder: folder,
        })
    }

    /// Waits until a run succeeds.
    pub(super) async fn warm(&self, params: &Value) -> anyhow::Result<()> {
        let mut caller = Caller::connect(self.addr).await?;
        let begun = Instant::now();
        loop {
            match caller.call("python/execute", params).await {
                Ok(result) if result["success"] == true => return Ok(()),
                said if begun.elapsed() > PATIENCE => bail!("nothing runs after {PATIENCE:?}: {said:?}"),
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// The log, for who wants to know why.
    pub(super) fn folder(&self) -> &Path {
        self._folder.path()
    }
}

/// Parameters of a run at a level.
pub(super) fn at(level: &str) -> Value {
    json!({ "code": CODE, "level": level })
}

fn config(addr: SocketAddr, idle: usize, uses: u32) -> String {
    format!(
        r#"[host]
listen = "{addr}"
plugin_dirs = ["plugins.d"]
state_dir = "state"

[hubs.docker]
plugin = "docker-hub"
warm = {{ min_idle = {idle}, max = 8, max_uses = {uses} }}

[hubs.process]
plugin = "process-hub"
warm = {{ min_idle = {idle}, max = 8, max_uses = {uses} }}

[providers.python]
plugin = "python-provider"
hubs = {{ sandboxed = "docker", specialized = "docker", restricted = "process" }}
config = {{ profiles = {{ sandboxed = {{ image = "{}" }}, science = {{ image = "{}" }} }} }}
"#,
        Image::Plain.name(),
        Image::Science.name(),
    )
}
