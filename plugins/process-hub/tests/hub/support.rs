//! What the tests of this hub share: a hub on a host in miniature, workloads, and who listens in them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use plugin_api::contract::workload::{Isolation, Limits, Scratch, Workload};
use plugin_api::hub::Progress;
use plugin_api::testing::{Event, TestHost};
use plugin_api::{Context, Error, Hub, ResourceInstance};
use process_hub::{Config, ProcessHub};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// The interpreter of the system, which anybody may run.
const PYTHON: &str = "/usr/bin/python3";

/// Answers each connection with what it was sent, backwards; `!` before a line of Python runs that.
const LISTENER: &str = r#"
import os, socket, sys, threading
def life():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=life, daemon=True).start()
print("about to listen", flush=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind(os.environ["GLEITZEIT_CONTROL"])
listener.listen(1)
while True:
    connection, _ = listener.accept()
    said = connection.recv(4096).decode()
    if said.startswith("!"):
        exec(said[1:])
    connection.sendall(said[::-1].encode())
    connection.close()
"#;

pub(crate) fn launcher() -> &'static str {
    env!("CARGO_BIN_EXE_process-hub-test-launcher")
}

pub(crate) fn config() -> Config {
    Config {
        launcher: Some(launcher().into()),
        ..Config::default()
    }
}

/// A hub, and the host it is on.
pub(crate) fn hub() -> (Arc<ProcessHub>, TestHost) {
    hub_of(config())
}

pub(crate) fn hub_of(config: Config) -> (Arc<ProcessHub>, TestHost) {
    let host = TestHost::new();
    (Arc::new(ProcessHub::new(config, host.handle()).unwrap()), host)
}

pub(crate) fn context() -> Context {
    Context::background("test")
}

/// A boxed interpreter that runs this program.
pub(crate) fn python(program: &str) -> Workload {
    Workload {
        command: [PYTHON, "-I", "-c", program].map(str::to_owned).into(),
        environment: [("LANG".to_owned(), "C.UTF-8".to_owned())].into(),
        user: Some("0:0".to_owned()),
        capabilities: ["SETUID", "SETGID", "KILL"].map(str::to_owned).into(),
        isolation: Isolation::System,
        limits: Limits {
            memory_bytes: Some(128 << 20),
            ..Limits::default()
        },
        scratch: vec![Scratch {
            path: "/work".to_owned(),
            bytes: 4 << 20,
            files: 64,
            mode: 0o1777,
        }],
        ..Workload::default()
    }
}

/// A boxed program that listens and answers.
pub(crate) fn listener() -> Workload {
    python(LISTENER)
}

pub(crate) async fn start(
    hub: &Arc<ProcessHub>,
    workload: &Workload,
) -> Result<Arc<ResourceInstance>, Error> {
    let specification = serde_json::to_value(workload).unwrap();
    hub.clone().start(context(), specification).await.map(Arc::new)
}

/// Says something to a started process, and what it answers.
pub(crate) async fn say(instance: &ResourceInstance, text: &str) -> std::io::Result<String> {
    let url = &instance.endpoint.as_ref().unwrap().url;
    let mut connection = UnixStream::connect(url.strip_prefix("unix:").unwrap()).await?;
    connection.write_all(text.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

pub(crate) async fn stop(hub: &Arc<ProcessHub>, instance: &Arc<ResourceInstance>) {
    hub.clone().stop(context(), instance.clone()).await.unwrap();
}

pub(crate) async fn control(hub: &Arc<ProcessHub>, verb: &str, arguments: Value) -> Result<Value, Error> {
    let (progress, _reports) = Progress::channel();
    hub.clone()
        .control(context(), verb.to_owned(), arguments, None, progress)
        .await
}

/// The processes of the hub, as `list` tells.
pub(crate) async fn listed(hub: &Arc<ProcessHub>) -> BTreeSet<String> {
    let list = control(hub, "list", json!({})).await.unwrap();
    let rows = list.as_array().unwrap().iter();
    rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// What the host was told of lost instances.
pub(crate) fn lost(host: &TestHost) -> Vec<(String, String)> {
    let events = host.events().into_iter();
    events
        .filter_map(|event| match event {
            Event::Lost { instance, reason } => Some((instance, reason)),
            _ => None,
        })
        .collect()
}

pub(crate) fn pid(instance: &ResourceInstance) -> u64 {
    instance.metadata["pid"].as_u64().unwrap()
}

/// Whether a process of this number is there.
pub(crate) fn runs(pid: u64) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// Waits until something is true, and fails after ten seconds if it is not.
pub(crate) async fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let waiting = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(10), waiting)
            .await
            .is_ok(),
        "waited in vain until {what}"
    );
}
