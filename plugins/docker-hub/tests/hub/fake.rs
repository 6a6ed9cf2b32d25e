//! An engine that is none: it listens at a socket and answers what a test says, or misbehaves as it says.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use docker_hub::{Config, DockerHub};
use plugin_api::contract::instance::InstanceSettings;
use plugin_api::testing::TestHost;
use plugin_api::{Context, Hub, ResourceInstance};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// What it does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Answers with a status and JSON.
    Json(u16, Value),
    /// Answers with a status and this text.
    Text(u16, &'static str),
    /// Answers with status 200 and JSON, once there is a permit.
    Held(Arc<Semaphore>, Value),
    /// Takes the request and says nothing, for ever.
    Hang,
    /// Hangs up.
    Close,
    /// Writes what is no HTTP.
    Garbage,
}

/// A request that it got.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
}

type Script = Arc<Mutex<Vec<(&'static str, &'static str, Answer)>>>;

/// An engine that is none.
pub(crate) struct FakeEngine {
    directory: tempfile::TempDir,
    script: Script,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeEngine {
    /// One that is well, has one image and no containers.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let script: Script = Arc::default();
        let requests = Arc::default();
        let task = listen(directory.path().join("engine.sock"), script.clone(), &requests);
        let fake = Self {
            directory,
            script,
            requests,
            task,
        };
        fake.on("GET", "/version", Answer::Json(200, version("1.41")));
        fake.on("GET", "/info", Answer::Json(200, info()));
        fake.on("GET", "/images/json", Answer::Json(200, json!([])));
        fake.on(
            "GET",
            "/images/box/json",
            Answer::Json(
                200,
                json!({ "Id": "sha256:1", "Config": { "Env": ["PATH=/bin", "SECRET=x"] } }),
            ),
        );
        fake.on("GET", "/containers/json", Answer::Json(200, json!([])));
        fake.on("GET", "/events", Answer::Hang);
        fake.on("DELETE", "/containers", Answer::Text(204, ""));
        fake
    }

    /// From now on it does so with requests of a method whose path begins so.
    pub(crate) fn on(&self, method: &'static str, path: &'static str, answer: Answer) {
        self.script.lock().unwrap().insert(0, (method, path, answer));
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("engine.sock")
    }

    /// Ends it, and takes its socket away.
    pub(crate) fn die(&mut self) {
        self.task.abort();
        std::fs::remove_file(self.socket()).unwrap();
    }

    /// Brings it back.
    pub(crate) fn live(&mut self) {
        self.task = listen(self.socket(), self.script.clone(), &self.requests);
    }

    pub(crate) fn requests(&self, method: &str, path: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .filter(|request| request.method == method && request.path.starts_with(path))
            .cloned()
            .collect()
    }
}

fn listen(path: PathBuf, script: Script, requests: &Arc<Mutex<Vec<Request>>>) -> JoinHandle<()> {
    let listener = UnixListener::bind(path).unwrap();
    let requests = requests.clone();
    tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.spawn(serve(stream, script.clone(), requests.clone()));
        }
    })
}

async fn serve(stream: UnixStream, script: Script, requests: Arc<Mutex<Vec<Request>>>) {
    let mut stream = BufReader::new(stream);
    let Some(request) = read(&mut stream).await else {
        return;
    };
    requests.lock().unwrap().push(request.clone());
    let answer = {
        let script = script.lock().unwrap();
        let fits = |(method, path, _): &&(&str, &str, Answer)| {
            *method == request.method && request.path.starts_with(path)
        };
        script.iter().find(fits).map(|(.., answer)| answer.clone())
    };
    let (status, text) = match answer {
        None => (
            404,
            json!({ "message": format!("nobody has said anything of {}", request.path) }).to_string(),
        ),
        Some(Answer::Json(status, value)) => (status, value.to_string()),
        Some(Answer::Text(status, text)) => (status, text.to_owned()),
        Some(Answer::Held(permits, value)) => {
            permits.acquire().await.unwrap().forget();
            (200, value.to_string())
        }
        Some(Answer::Hang) => std::future::pending().await,
        Some(Answer::Close) => return,
        Some(Answer::Garbage) => {
            let _ = stream.write_all(b"\x00\x01 this is no answer\r\n\r\n").await;
            return;
        }
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        text.len()
    );
    let _ = stream.write_all((head + &text).as_bytes()).await;
}

async fn read(stream: &mut BufReader<UnixStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut parts = line.split(' ').map(str::to_owned);
    let (method, path) = (parts.next()?, parts.next()?);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim().split_once(": ") {
            Some((name, value)) => drop(headers.insert(name.to_ascii_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        method,
        path,
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}

pub(crate) fn version(api: &str) -> Value {
    json!({ "Version": "28.0.0", "ApiVersion": api, "Components": [{ "Name": "runc", "Version": "1.3.3" }] })
}

pub(crate) fn info() -> Value {
    json!({
        "OSType": "linux", "Architecture": "x86_64", "NCPU": 4, "MemTotal": 1_u64 << 33, "MemoryLimit": true, "SwapLimit": true,
        "CpuCfsQuota": true, "PidsLimit": true, "CgroupVersion": "2", "DefaultRuntime": "runc", "Runtimes": { "runc": {} },
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    })
}

/// A hub that gives engines half a second.
pub(crate) struct Fixture {
    pub(crate) hub: Arc<DockerHub>,
    pub(crate) host: TestHost,
    pub(crate) state: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new(host: TestHost, config: Value) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut settings = json!({ "call_timeout": "500ms", "create_timeout": "500ms", "auto_discover": false, "state_dir": state.path().join("state") });
        settings
            .as_object_mut()
            .unwrap()
            .extend(config.as_object().unwrap().clone());
        let config: Config = serde_json::from_value(settings).unwrap();
        let hub = Arc::new(DockerHub::new(config, host.handle()).unwrap());
        Self { hub, host, state }
    }

    /// The instance that an operator would get for this engine, known to the host.
    pub(crate) fn engine(&self, id: &str, fake: &FakeEngine) -> Arc<ResourceInstance> {
        let instance = self.adopt(id, &format!("unix://{}", fake.socket().display()));
        self.host.set_instances(id, [instance.clone()]);
        Arc::new(instance)
    }

    pub(crate) fn adopt(&self, id: &str, url: &str) -> ResourceInstance {
        let settings = InstanceSettings {
            id: Some(id.to_owned()),
            url: url.to_owned(),
            ..InstanceSettings::default()
        };
        self.hub.adopt(settings).unwrap()
    }
}

pub(crate) fn fixture() -> Fixture {
    Fixture::new(TestHost::new(), json!({}))
}

pub(crate) fn context() -> Context {
    Context::background("test")
}

/// Waits until something is true, and fails after ten seconds if it is not.
pub(crate) async fn until(what: &str, is_true: impl Fn() -> bool) {
    let waiting = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(10), waiting)
            .await
            .is_ok(),
        "waited in vain until {what}"
    );
}
