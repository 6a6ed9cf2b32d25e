//! A real host in a process of its own, with real plugins, as an operator would run it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fakes::client;
use serde_json::{Value, json};

use crate::plugins;

/// How long anything may take that a test waits for. Far more than it needs: it only ends what hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running host. Dropping it kills the process and removes its files.
pub struct Host {
    process: Child,
    url: String,
    folder: tempfile::TempDir,
}

/// A host about to be started.
pub struct HostBuilder {
    config: String,
    plugins: Vec<&'static str>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

/// A host with this configuration, all shipped plugins beside it. `listen` and directories are set by the harness.
pub fn host(config: &str) -> HostBuilder {
    HostBuilder {
        config: config.to_owned(),
        plugins: vec!["ollama-hub", "openai-hub", "llm-provider"],
        arguments: Vec::new(),
        environment: Vec::new(),
    }
}

/// A fleet of servers behind the usual provider: `hubs.fleet`, with these extra settings, and `providers.llm`.
pub fn fleet(urls: &[String], settings: &str) -> HostBuilder {
    let instances: Vec<String> = urls.iter().map(|url| format!("{{ url = \"{url}\" }}")).collect();
    host(&format!(
        "[hubs.fleet]\nplugin = \"ollama-hub\"\nconfig = {{ auto_discover = false }}\ninstances = [{}]\n{settings}\n\
         [providers.llm]\nplugin = \"llm-provider\"\nhubs = [\"fleet\"]\n",
        instances.join(", ")
    ))
}

impl HostBuilder {
    /// Adds an argument to `gleitzeit serve`.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Puts these plugins beside it, and no others.
    pub fn plugins(mut self, plugins: &[&'static str]) -> Self {
        self.plugins = plugins.to_vec();
        self
    }

    /// Puts a further plugin beside the shipped ones.
    pub fn plugin(mut self, package: &'static str) -> Self {
        self.plugins.push(package);
        self
    }

    /// Adds a variable to its environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until it serves.
    pub async fn start(self) -> Host {
        let folder = tempfile::tempdir().expect("a folder");
        let plugin_dir = folder.path().join("plugins.d");
        std::fs::create_dir(&plugin_dir).expect("a plugin directory");
        for plugin in &self.plugins {
            let library = plugins::plugin(plugin);
            let name = library.file_name().expect("a library has a name");
            std::fs::copy(&library, plugin_dir.join(name)).expect("the plugin can be copied");
        }
        std::fs::write(folder.path().join("plugins.toml"), &self.config)
            .expect("the configuration can be written");
        let mut process = Command::new(plugins::program("gleitzeit"))
            .current_dir(folder.path())
            .args([
                "serve",
                "--config",
                "plugins.toml",
                "--set",
                "host.listen=\"127.0.0.1:0\"",
            ])
            .args(&self.arguments)
            .envs(self.environment)
            .env("GLEITZEIT_LOG", "warn,gleitzeit=info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the host starts");
        let output = process.stdout.take().expect("its output is ours");
        let url = tokio::task::spawn_blocking(move || address(output))
            .await
            .expect("a reader");
        let host = Host { process, url, folder };
        host.until("it is ready", async |host| {
            host.get("/readyz").await.status == 200
        })
        .await;
        host
    }
}

/// The address in the line that says where the host serves.
fn address(output: impl std::io::Read) -> String {
    let mut said = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line.expect("text");
        if let Some(at) = line.find("http://") {
            return line[at..].trim().to_owned();
        }
        said.push(line);
    }
    panic!("the host ended before it served: {said:?}");
}

impl Host {
    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A URL of it.
    pub fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Its folder, with configuration, plugins and state.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Asks it for a page.
    pub async fn get(&self, path: &str) -> client::Answer {
        client::get(&self.url_of(path)).await.expect("the host answers")
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> client::Answer {
        client::post(&self.url_of(path), body)
            .await
            .expect("the host answers")
    }

    /// Calls a method and returns the whole JSON-RPC answer.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.post("/rpc", &request).await.json()
    }

    /// Calls a method and returns its result.
    pub async fn call(&self, method: &str, params: Value) -> Value {
        let answer = self.rpc(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// What status says of an instance.
    pub async fn instance(&self, id: &str) -> Value {
        let all = self.call("manager/instances", json!({})).await;
        let found = all
            .as_array()
            .into_iter()
            .flatten()
            .find(|instance| instance["id"] == id);
        found
            .cloned()
            .unwrap_or_else(|| panic!("no instance {id} in {all}"))
    }

    /// Requests in flight on all instances together.
    pub async fn in_flight(&self) -> u64 {
        let all = self.call("manager/instances", json!({})).await;
        all.as_array()
            .into_iter()
            .flatten()
            .filter_map(|instance| instance["in_flight"].as_u64())
            .sum()
    }

    /// Waits until so many instances would be routed to.
    pub async fn until_routable(&self, count: usize) {
        self.until(&format!("{count} instances are routable"), async |host| {
            let all = host.call("manager/instances", json!({})).await;
            all.as_array()
                .into_iter()
                .flatten()
                .filter(|instance| instance["routable"] == true)
                .count()
                == count
        })
        .await;
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, so: impl AsyncFn(&Self) -> bool) {
        let begun = Instant::now();
        while !so(self).await {
            assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} until {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a signal, by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for the process to end and returns its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("our own child") {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "the host does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs the command line against this host.
    pub async fn cli(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(plugins::program("gleitzeit"));
        command
            .args(arguments)
            .args(["--url", &self.url])
            .env("NO_COLOR", "1");
        tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("a thread")
            .expect("the command line runs")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
