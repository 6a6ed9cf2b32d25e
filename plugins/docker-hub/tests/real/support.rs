//! What the tests against a real engine share: a hub on it, workloads, and a small runner to talk to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use docker_hub::{Config, DockerHub};
use plugin_api::contract::instance::InstanceSettings;
use plugin_api::contract::workload::{Limits, Scratch, Workload};
use plugin_api::hub::Progress;
use plugin_api::testing::{Event, TestHost};
use plugin_api::{Context, Error, Hub, ResourceInstance};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// The image that the tests run in: any with /usr/bin/python3 does.
pub(crate) const IMAGE: &str = "gleitzeit-test/plain:latest";

/// Evaluates each line it is sent and answers with one line of JSON, over whichever channel it is given; ends with its
/// standard input. Expressions see `call`, which makes a system call by number and answers with its `errno`.
const RUNNER: &str = r#"
import ctypes, json, os, socket, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    return ctypes.get_errno() if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0 else 0
def attempt(work):
    try:
        return work()
    except OSError as error:
        return "errno %d" % error.errno
def answer(line):
    try:
        value = eval(line, globals())
        return json.dumps(value) + "\n"
    except BaseException as error:
        return json.dumps({"error": repr(error)}) + "\n"
def serve(source, sink):
    for line in source:
        sink.write(answer(line)); sink.flush()
def end_with_input():
    while sys.stdin.buffer.read(4096): pass
    os._exit(0)
where = os.environ["GLEITZEIT_CONTROL"]
if where == "stdio":
    sys.stdout.write(json.dumps("ready") + "\n"); sys.stdout.flush()
    serve(sys.stdin, sys.stdout)
else:
    threading.Thread(target=end_with_input, daemon=True).start()
    listener = socket.socket(socket.AF_UNIX); listener.bind(where); listener.listen()
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as file:
            try:
                serve(file, file)
            except OSError:
                pass
"#;

/// A workload that runs the small runner, with everything that a sandbox of code has.
pub(crate) fn workload() -> Workload {
    Workload {
        image: Some(IMAGE.to_owned()),
        command: ["/usr/bin/python3", "-I", "-u", "-c", RUNNER]
            .map(str::to_owned)
            .into(),
        environment: [("GREETING".to_owned(), "hello".to_owned())].into(),
        user: Some("0:0".to_owned()),
        limits: Limits {
            memory_bytes: Some(128 << 20),
            cpus: Some(0.5),
            processes: Some(32),
            open_files: Some(64),
            file_bytes: Some(8 << 20),
            shared_memory_bytes: Some(1 << 20),
        },
        capabilities: ["SETUID", "SETGID", "KILL"].map(str::to_owned).into(),
        scratch: vec![Scratch {
            path: "/work".to_owned(),
            bytes: 4 << 20,
            files: 64,
            mode: 0o1777,
        }],
        lifetime_seconds: Some(300),
        ..Workload::default()
    }
}

/// Where the engine is; `None` where there is none, with a word on it. In CI there must be one.
pub(crate) fn socket() -> Option<String> {
    containers::require(containers::Image::Plain)?;
    let named = std::env::var("DOCKER_HOST")
        .ok()
        .filter(|url| url.starts_with("unix://"));
    Some(named.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned()))
}

/// A hub with one engine, a real one.
pub(crate) struct Real {
    pub(crate) hub: Arc<DockerHub>,
    pub(crate) host: TestHost,
    pub(crate) engine: Arc<ResourceInstance>,
    /// Where its control channels are.
    pub(crate) state: tempfile::TempDir,
}

/// The hub; `None` where no engine answers and the test has nothing to say.
pub(crate) async fn real(config: Value) -> Option<Real> {
    let url = socket()?;
    let state = tempfile::Builder::new().prefix("gz").tempdir().unwrap();
    Some(with(config, &url, state).await)
}

/// Another hub on the same engine, with its control channels below the same directory.
pub(crate) async fn at(state: &Path) -> Real {
    let state = tempfile::Builder::new().prefix("gz").tempdir_in(state).unwrap();
    with(json!({}), &socket().unwrap(), state).await
}

async fn with(config: Value, url: &str, state: tempfile::TempDir) -> Real {
    attempt(config, url, json!({}), state).await.unwrap()
}

/// A hub on an engine at this URL, with what an operator writes beside it; or why it has none.
pub(crate) async fn elsewhere(url: &str, of_instance: Value) -> Result<Real, Error> {
    let state = tempfile::Builder::new().prefix("gz").tempdir().unwrap();
    attempt(json!({}), url, of_instance, state).await
}

async fn attempt(
    mut config: Value,
    url: &str,
    of_instance: Value,
    state: tempfile::TempDir,
) -> Result<Real, Error> {
    config["state_dir"] = json!(state.path().join("state"));
    config["pull"] = json!("never");
    let config: Config = serde_json::from_value(config).unwrap();
    let host = TestHost::new();
    let hub = Arc::new(DockerHub::new(config, host.handle()).unwrap());
    let settings = InstanceSettings {
        id: Some("engine".to_owned()),
        url: url.to_owned(),
        config: of_instance.as_object().unwrap().clone(),
        ..InstanceSettings::default()
    };
    let engine = hub.adopt(settings)?;
    host.set_instances("docker", [engine.clone()]);
    let engine = Arc::new(engine);
    hub.clone().probe(context(), engine.clone()).await?;
    Ok(Real {
        hub,
        host,
        engine,
        state,
    })
}

pub(crate) fn context() -> Context {
    Context::background("test")
}

impl Real {
    pub(crate) async fn start(&self, workload: &Workload) -> Result<Arc<ResourceInstance>, Error> {
        let started = self.hub.clone().start(context(), json!(workload)).await;
        started.map(Arc::new)
    }

    /// Runs a verb: on the engine, or on whichever has the container.
    pub(crate) async fn control(&self, verb: &str, arguments: Value) -> (Result<Value, Error>, Vec<Value>) {
        let about_a_container = arguments.get("container").is_some();
        let instance = (!about_a_container).then(|| self.engine.clone());
        let (progress, mut reports) = Progress::channel();
        let result = self
            .hub
            .clone()
            .control(context(), verb.to_owned(), arguments, instance, progress)
            .await;
        let mut seen = Vec::new();
        while let Ok(report) = reports.try_recv() {
            seen.push(report);
        }
        (result, seen)
    }

    /// Runs a verb that must succeed.
    pub(crate) async fn done(&self, verb: &str, arguments: Value) -> Value {
        self.control(verb, arguments).await.0.unwrap()
    }

    pub(crate) async fn stop(&self, instance: &Arc<ResourceInstance>) {
        self.hub.clone().stop(context(), instance.clone()).await.unwrap();
    }

    /// Waits until the host is told that the box is gone, and why.
    pub(crate) async fn lost(&self, instance: &ResourceInstance) -> String {
        let lost = |host: &TestHost| {
            host.events().into_iter().find_map(|event| match event {
                Event::Lost {
                    instance: lost,
                    reason,
                } if lost == instance.id => Some(reason),
                _ => None,
            })
        };
        self.host
            .until("the box to be lost", |host| lost(host).is_some())
            .await;
        lost(&self.host).unwrap()
    }

    /// Waits until the engine has the container no more.
    pub(crate) async fn gone(&self, instance: &ResourceInstance) {
        let id = instance.metadata["container"].as_str().unwrap().to_owned();
        until("the container is gone", async || {
            !labelled("gleitzeit.kind").await.contains(&id)
        })
        .await;
    }

    /// What is in the directory of control channels, all levels together.
    pub(crate) fn directories(&self) -> usize {
        fn count(path: &Path) -> usize {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries
                .map(|entry| {
                    if entry.path().is_dir() {
                        1 + count(&entry.path())
                    } else {
                        0
                    }
                })
                .sum()
        }
        // The state directory and this process's own in it are there to stay.
        count(self.state.path()).saturating_sub(2)
    }
}

/// A connection to the small runner.
pub(crate) struct Runner {
    stream: BufReader<UnixStream>,
}

impl Runner {
    pub(crate) async fn connect(instance: &ResourceInstance) -> Self {
        let url = &instance.endpoint.as_ref().unwrap().url;
        let path = url.strip_prefix("unix:").unwrap();
        let stream = UnixStream::connect(path).await.unwrap();
        let mut runner = Self {
            stream: BufReader::new(stream),
        };
        if instance.metadata["transport"] == "stdio" {
            assert_eq!(runner.read().await, "ready");
        }
        runner
    }

    /// Evaluates an expression in the box.
    pub(crate) async fn eval(&mut self, expression: &str) -> Value {
        self.say(expression).await;
        self.read().await
    }

    /// Has an expression evaluated, and does not wait for what comes of it.
    pub(crate) async fn say(&mut self, expression: &str) {
        let line = format!("{expression}\n");
        self.stream.write_all(line.as_bytes()).await.unwrap();
    }

    /// Waits until the box hangs up.
    pub(crate) async fn until_hung_up(&mut self) {
        let mut line = String::new();
        while self.stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {}
    }

    async fn read(&mut self) -> Value {
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), self.stream.read_line(&mut line));
        assert!(
            read.await.expect("an answer in time").unwrap() > 0,
            "the box hung up"
        );
        serde_json::from_str(&line).unwrap()
    }
}

/// What the engine's command line answers; the tests' second witness.
pub(crate) async fn docker(arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let asked = tokio::task::spawn_blocking(move || {
        let engine = containers::engine().unwrap();
        engine.docker(arguments.iter().map(String::as_str)).unwrap()
    });
    asked.await.unwrap()
}

/// The containers with a label.
pub(crate) async fn labelled(label: &str) -> Vec<String> {
    let all = docker(&["ps", "-aq", "--no-trunc", "--filter", &format!("label={label}")]).await;
    all.lines().map(str::to_owned).collect()
}

/// Waits until something is true, and fails after twenty seconds if it is not.
pub(crate) async fn until(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_true().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(in_time.is_ok(), "waited in vain until {what}");
}
