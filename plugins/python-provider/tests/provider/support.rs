//! Boxes for tests: runners started as plain processes, and a host that leases them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use plugin_api::contract::instance::Endpoint;
use plugin_api::host::Binding;
use plugin_api::provider::{OwnedEntry, OwnedRequest, Reply, ReplyBody};
use plugin_api::testing::{Harness, ProviderHarness, TestHost};
use plugin_api::{Context, Error, ResourceInstance};
use python_provider::{PythonProvider, runner};
use serde_json::{Value, json};

use futures_util::StreamExt as _;

/// A directory in memory, as a box has it, where there is one: disks take their time over thousands of files.
fn directory() -> tempfile::TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    in_memory.or_else(|_| tempfile::tempdir()).unwrap()
}

/// A runner, started as a plain process. It is not process 1 of anything, so it must not signal all there are.
pub(crate) struct Runner {
    process: Child,
    pub(crate) directory: tempfile::TempDir,
}

impl Runner {
    pub(crate) fn start() -> Self {
        Self::with(json!({}))
    }

    /// With these settings besides the usual ones, all as one user.
    pub(crate) fn with(settings: Value) -> Self {
        Self::within(directory(), settings)
    }

    /// As in a container, where there are the rights for it: the code is another user than its supervisor.
    pub(crate) fn apart(settings: Value) -> Self {
        if rustix::process::geteuid().is_root() {
            Self::in_scratch(settings, &json!({ "uid": 65534, "gid": 65534 }))
        } else {
            Self::within(directory(), settings)
        }
    }

    /// In a box with a scratch directory.
    fn in_scratch(mut settings: Value, user: &Value) -> Self {
        let directory = directory();
        let scratch = directory.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(directory.path(), 0o711);
        mode(&scratch, 0o1777);
        let work = scratch.join("work");
        let place = json!({
            "work": work, "wipe": [scratch],
            "environment": { "PATH": "/usr/bin:/bin", "HOME": work, "TMPDIR": scratch },
        });
        let settings_of = settings.as_object_mut().unwrap();
        settings_of.extend(place.as_object().unwrap().clone());
        settings_of.extend(user.as_object().unwrap().clone());
        Self::within(directory, settings)
    }

    fn within(directory: tempfile::TempDir, settings: Value) -> Self {
        Self::of(directory, &Self::command(&settings))
    }

    /// The command that starts one with these settings besides the usual ones.
    fn command(settings: &Value) -> Vec<String> {
        let mut config = json!({
            "uid": null, "gid": null, "work": null, "wipe": [], "preimport": [],
            "environment": { "PATH": "/usr/bin:/bin" }, "open_files": 256, "file_bytes": 32 << 20,
        });
        let fields = config.as_object_mut().unwrap();
        fields.extend(settings.as_object().unwrap().clone());
        runner::command("python3", &config)
    }

    /// The one that this command starts.
    pub(crate) fn commanded(command: &[String]) -> Self {
        Self::of(directory(), command)
    }

    /// Waits until it listens.
    fn of(directory: tempfile::TempDir, command: &[String]) -> Self {
        let path = directory.path().join("control");
        let process = Command::new(&command[0])
            .args(&command[1..])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TMPDIR", directory.path())
            .env("GLEITZEIT_CONTROL", &path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let runner = Self { process, directory };
        let until = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(&path).is_err() {
            assert!(Instant::now() < until, "the runner does not listen");
            std::thread::yield_now();
        }
        runner
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("control")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What the host does when it ends.
    pub(crate) fn hang_up(&mut self) {
        drop(self.process.stdin.take());
    }

    /// Its exit code, which it has to have soon.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < until, "the runner goes on");
            std::thread::yield_now();
        }
    }

    /// Processes that descend from it, apart from the spare one.
    pub(crate) fn descendants(&self) -> Vec<u32> {
        descendants(self.pid())
    }
}

/// Waits until this gives something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let listed = std::fs::read_to_string(path).unwrap_or_default();
    let own: Vec<u32> = listed
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect();
    let below: Vec<u32> = own.iter().flat_map(|pid| descendants(*pid)).collect();
    own.into_iter().chain(below).collect()
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.hang_up();
        let until = Instant::now() + Duration::from_secs(5);
        while self.process.try_wait().ok().flatten().is_none() {
            if Instant::now() > until {
                let _ = self.process.kill();
            }
            std::thread::yield_now();
        }
    }
}

/// An instance whose endpoint is this socket.
pub(crate) fn instance(path: &Path) -> ResourceInstance {
    let mut instance = ResourceInstance::new("box-1");
    instance.endpoint = Some(Endpoint::new(format!("unix:{}", path.display())));
    instance
}

/// A host whose hubs have these roles.
pub(crate) fn host(roles: &[&str]) -> TestHost {
    TestHost::new().with_binding(Binding {
        hub: "boxes".into(),
        provides: "container".into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    })
}

/// A provider with one box, whose runner is real.
pub(crate) struct Boxed {
    pub(crate) provider: ProviderHarness,
    pub(crate) runner: Runner,
}

impl Boxed {
    pub(crate) fn new() -> Self {
        Self::with(json!({}), json!({}))
    }

    pub(crate) fn with(config: Value, runner: Value) -> Self {
        Self::around(config, Runner::apart(runner))
    }

    /// As at the level `restricted`: code and supervisor are one user.
    pub(crate) fn alone() -> Self {
        Self::around(json!({}), Runner::in_scratch(json!({}), &json!({})))
    }

    /// A runner that was started with a signal ignored.
    pub(crate) fn hung_up() -> Self {
        let shell = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"].map(str::to_owned);
        let command = [&shell[..], &Runner::command(&json!({}))].concat();
        Self::around(json!({}), Runner::commanded(&command))
    }

    fn around(config: Value, runner: Runner) -> Self {
        let host = host(&["sandboxed", "specialized", "restricted"]);
        let host = host.with_instance("boxes", instance(&runner.path()));
        let provider = Harness::new()
            .host(&host)
            .provider::<PythonProvider>(&config)
            .unwrap();
        Self { provider, runner }
    }

    pub(crate) fn host(&self) -> &TestHost {
        self.provider.host()
    }

    /// The result of a method.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Result<Value, Error> {
        call(&self.provider, method, &params).await
    }

    /// The result of code.
    pub(crate) async fn execute(&self, code: &str) -> Value {
        self.call("python/execute", json!({ "code": code }))
            .await
            .unwrap()
    }

    /// The result of code that is given a second.
    pub(crate) async fn within(&self, seconds: f64, code: &str) -> Value {
        self.call("python/execute", json!({ "code": code, "timeout": seconds }))
            .await
            .unwrap()
    }

    /// The items of a streamed method.
    pub(crate) async fn stream(&self, method: &str, params: Value) -> Vec<Value> {
        let mut items = items(self.open(method, params).await);
        let mut all = Vec::new();
        while let Some(item) = items.next().await {
            all.push(item);
        }
        all
    }

    pub(crate) async fn open(&self, method: &str, params: Value) -> Reply {
        let mut context = Context::background("test");
        "anonymous".clone_into(&mut context.principal);
        self.provider
            .work(&context, &request(method, true, &params))
            .await
            .unwrap()
    }
}

pub(crate) fn items(reply: Reply) -> futures_util::stream::BoxStream<'static, Value> {
    let ReplyBody::Stream(stream) = reply.body else {
        panic!("this is no stream");
    };
    stream
        .map(|item| serde_json::from_slice(&item.unwrap()).unwrap())
        .boxed()
}

pub(crate) fn request(method: &str, stream: bool, params: &Value) -> OwnedRequest {
    OwnedRequest {
        entry: OwnedEntry::Method {
            name: method.to_owned(),
            stream,
        },
        headers: Vec::new(),
        body: params.to_string().into(),
    }
}

pub(crate) async fn call(provider: &ProviderHarness, method: &str, params: &Value) -> Result<Value, Error> {
    call_as(provider, "anonymous", method, params).await
}

pub(crate) async fn call_as(
    provider: &ProviderHarness,
    principal: &str,
    method: &str,
    params: &Value,
) -> Result<Value, Error> {
    let mut context = Context::background("test");
    principal.clone_into(&mut context.principal);
    let reply = provider.work(&context, &request(method, false, params)).await?;
    match reply.body {
        ReplyBody::Once(body) => Ok(serde_json::from_slice(&body).unwrap()),
        ReplyBody::Stream(_) => panic!("this is a stream"),
    }
}

/// Whether the process is alive.
pub(crate) fn alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map_or("X", |(_, rest)| rest);
    !stat.is_empty() && !state.starts_with(['Z', 'X'])
}
