//! Running a local server: its environment, its output, its beginning and its end.
//!
//! The stand-in for the real program is this test's own binary, called to run the one test [`stand_in`], which does
//! nothing otherwise.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use fakes::Fault;
use fakes::ollama::FakeOllama;
use ollama_hub::OllamaHub;
use plugin_api::contract::instance::Origin;
use plugin_api::testing::{Harness, TestHost};
use plugin_api::{Error, ErrorCode, Hub, ResourceInstance};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::support::{context, hub, hub_of, until};

/// What the stand-in should do; where it is not set, nothing.
const ROLE: &str = "STAND_IN_ROLE";
/// Where it writes what it was given.
const NOTES: &str = "STAND_IN_NOTES";

/// Plays `ollama serve` for the other tests, or a host that is killed.
#[tokio::test]
async fn stand_in() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    if role == "host" {
        return host_to_be_killed().await;
    }
    if let Ok(notes) = std::env::var(NOTES) {
        let environment: BTreeMap<String, String> = std::env::vars().collect();
        std::fs::write(notes, json!(environment).to_string()).unwrap();
    }
    if role == "crash" {
        eprintln!("error: no space left for models");
        std::process::exit(3);
    }
    if role == "talkative" {
        // More than any pipe holds, half of it without a line end.
        let mut out = std::io::stdout();
        for _ in 0..8 << 10 {
            writeln!(out, "{}", "o".repeat(63)).unwrap();
        }
        eprint!("{}", "e".repeat(512 << 10));
    }
    if role == "parent" {
        // A runner, as the real server has them.
        drop(tokio::process::Command::new("sleep").arg("600").spawn().unwrap());
    }
    if role != "mute" {
        let address: SocketAddr = std::env::var("OLLAMA_HOST").unwrap().parse().unwrap();
        let _fake = FakeOllama::builder()
            .port(address.port())
            .model("m")
            .start()
            .await
            .unwrap();
        std::future::pending::<()>().await;
    }
    std::future::pending().await
}

/// A specification of the stand-in in this role, on a port of its own.
fn specification(role: &str) -> Value {
    json!({
        "command": [std::env::current_exe().unwrap(), "--exact", "process::stand_in", "--nocapture"],
        "port": free_port(),
        "environment": { ROLE: role },
    })
}

/// A port that stays ours: it is held, without listening, until this process ends, so that no other test is given it.
fn free_port() -> u16 {
    let holder = TcpSocket::new_v4().unwrap();
    holder.set_reuseaddr(true).unwrap();
    holder.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let port = holder.local_addr().unwrap().port();
    std::mem::forget(holder);
    port
}

async fn start(hub: &Arc<OllamaHub>, specification: Value) -> Result<Arc<ResourceInstance>, Error> {
    hub.clone().start(context(), specification).await.map(Arc::new)
}

fn pid(instance: &ResourceInstance) -> u32 {
    u32::try_from(instance.metadata["pid"].as_u64().unwrap()).unwrap()
}

/// The processes of a group that still run.
fn group(leader: u32) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let of_group = stats.filter(|stat| {
        let fields: Vec<_> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
        fields[2] == leader.to_string() && fields[0] != "Z"
    });
    of_group.count()
}

/// Notes of the stand-in, in a directory that lives as long as the test.
fn notes() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes");
    (directory, path.display().to_string())
}

fn read(path: &str) -> BTreeMap<String, String> {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test]
async fn a_server_is_started_probed_and_stopped() {
    let hub = hub();
    let mut specification = specification("serve");
    specification["tags"] = json!(["here"]);
    let instance = start(&hub, specification.clone()).await.unwrap();
    assert_eq!(instance.id, format!("127.0.0.1:{}", specification["port"]));
    assert_eq!(instance.origin, Origin::Started);
    assert!(instance.tags.contains("here"));

    let probe = hub.clone().probe(context(), instance.clone()).await.unwrap();
    assert_eq!(probe.capabilities.unwrap()[0].name, "m:latest");
    assert!(probe.load.memory_bytes.unwrap() > 0);
    let probe = hub.clone().probe(context(), instance.clone()).await.unwrap();
    assert!(probe.load.cpu_percent.is_some());

    hub.clone().stop(context(), instance.clone()).await.unwrap();
    assert_eq!(group(pid(&instance)), 0);
}

#[tokio::test]
async fn the_environment_is_the_hosts_own_and_what_was_configured() {
    let (_directory, path) = notes();
    let hub = hub();
    let mut specification = specification("serve");
    specification["environment"][NOTES] = json!(path);
    specification["environment"]["OLLAMA_ORIGINS"] = json!("app://x");
    // Whatever the host's own client settings say, the server listens where we wait for it.
    specification["environment"]["OLLAMA_HOST"] = json!("0.0.0.0:1");
    specification["models"] = json!("/srv/models");
    specification["keep_alive"] = json!("30m");
    specification["num_parallel"] = json!(4);
    specification["context_length"] = json!(8192);
    specification["flash_attention"] = json!(true);
    specification["kv_cache_type"] = json!("q8_0");
    specification["load_timeout"] = json!("10m");
    let instance = start(&hub, specification.clone()).await.unwrap();
    let seen = read(&path);
    for (name, value) in std::env::vars().filter(|(name, _)| name == "HOME" || name == "PATH") {
        assert_eq!(seen[&name], value);
    }
    for (name, value) in [
        ("OLLAMA_HOST", instance.id.as_str()),
        ("OLLAMA_ORIGINS", "app://x"),
        ("OLLAMA_MODELS", "/srv/models"),
        ("OLLAMA_KEEP_ALIVE", "30m"),
        ("OLLAMA_NUM_PARALLEL", "4"),
        ("OLLAMA_CONTEXT_LENGTH", "8192"),
        ("OLLAMA_FLASH_ATTENTION", "1"),
        ("OLLAMA_KV_CACHE_TYPE", "q8_0"),
        ("OLLAMA_LOAD_TIMEOUT", "600s"),
    ] {
        assert_eq!(seen[name], value, "{name}");
    }
    // Settings that the server never had.
    assert!(!seen.contains_key("OLLAMA_NUM_GPU") && !seen.contains_key("OLLAMA_NUM_THREAD"));
    hub.clone().stop(context(), instance).await.unwrap();
}

#[tokio::test]
async fn the_program_is_found_wherever_path_says() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("ollama");
    let me = std::env::current_exe().unwrap();
    let script = format!(
        "#!/bin/sh\nexec '{}' --exact process::stand_in --nocapture\n",
        me.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();

    let hub = hub();
    let mut specification = specification("serve");
    specification.as_object_mut().unwrap().remove("command");
    let path = format!(
        "{}:{}",
        directory.path().display(),
        std::env::var("PATH").unwrap()
    );
    specification["environment"]["PATH"] = json!(path);
    let instance = start(&hub, specification).await.unwrap();
    hub.clone().stop(context(), instance).await.unwrap();
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named_with_the_path_that_was_searched() {
    let mut specification = specification("serve");
    specification["command"] = json!(["no-such-ollama", "serve"]);
    let error = start(&hub(), specification).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CONFIGURATION);
    assert!(
        error.message.contains("no-such-ollama") && error.message.contains("PATH"),
        "{error}"
    );
}

#[tokio::test]
async fn without_a_home_it_is_not_even_tried() {
    let mut specification = specification("serve");
    specification["environment"]["HOME"] = json!("");
    let error = start(&hub(), specification).await.unwrap_err();
    assert!(error.message.contains("HOME"), "{error}");
}

#[tokio::test]
async fn output_is_read_beyond_what_a_pipe_holds() {
    let hub = hub();
    let instance = start(&hub, specification("talkative")).await.unwrap();
    hub.clone().stop(context(), instance).await.unwrap();
}

#[tokio::test]
async fn a_server_that_ends_while_starting_is_reported_with_its_last_words() {
    let error = start(&hub(), specification("crash")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::UNHEALTHY);
    assert!(error.message.contains("exit status: 3"), "{error}");
    assert!(error.message.contains("no space left for models"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_and_leaves_nothing_behind() {
    let (_directory, path) = notes();
    let mut specification = specification("mute");
    specification["ready_timeout"] = json!("1s");
    specification["environment"][NOTES] = json!(path);
    let error = start(&hub(), specification).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::TIMEOUT);
    assert_eq!(noted(&path), 0);
}

#[tokio::test]
async fn dropping_the_start_leaves_nothing_behind() {
    let (_directory, path) = notes();
    let hub = hub();
    let mut specification = specification("mute");
    specification["environment"][NOTES] = json!(path);
    let starting = tokio::spawn(hub.clone().start(context(), specification.clone()));
    until("the server runs", async || Path::new(&path).exists()).await;
    starting.abort();
    until("the server is gone", async || noted(&path) == 0).await;
}

/// How many processes were told to write these notes.
fn noted(path: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let environments = processes.filter_map(|entry| std::fs::read(entry.path().join("environ")).ok());
    let assignment = format!("{NOTES}={path}");
    environments
        .filter(|environment| {
            environment
                .split(|byte| *byte == 0)
                .any(|one| one == assignment.as_bytes())
        })
        .count()
}

#[tokio::test]
async fn its_runners_end_with_it() {
    let hub = hub();
    let instance = start(&hub, specification("parent")).await.unwrap();
    assert_eq!(group(pid(&instance)), 2);
    hub.clone().stop(context(), instance.clone()).await.unwrap();
    until("the runner is gone", async || group(pid(&instance)) == 0).await;
}

#[tokio::test]
async fn one_that_does_not_end_by_itself_is_killed_without_blocking_anybody() {
    let hub = hub();
    let me = std::env::current_exe().unwrap();
    // The shell ignores the request, and so does the server, which inherits that.
    let script = format!(
        "trap '' TERM; '{}' --exact process::stand_in --nocapture & while :; do wait; done",
        me.display()
    );
    let mut specification = specification("serve");
    specification["command"] = json!(["/bin/sh", "-c", script]);
    specification["stop_timeout"] = json!("300ms");
    let instance = start(&hub, specification).await.unwrap();
    // The runtime of this test has one thread: it must turn while the stop waits.
    let turns = Cell::new(0);
    let turning = async {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            turns.set(turns.get() + 1);
        }
    };
    tokio::select! {
        stopped = hub.clone().stop(context(), instance.clone()) => stopped.unwrap(),
        () = turning => {}
    }
    assert!(turns.get() > 0);
    until("the group is gone", async || group(pid(&instance)) == 0).await;
}

#[tokio::test]
async fn one_that_died_fails_its_probe_with_the_reason_and_can_be_started_again() {
    let hub = hub();
    let specification = specification("serve");
    let instance = start(&hub, specification.clone()).await.unwrap();
    let killed = std::process::Command::new("kill")
        .args(["-KILL", &pid(&instance).to_string()])
        .status();
    assert!(killed.unwrap().success());
    until("the end is noticed", async || {
        let probe = hub.clone().probe(context(), instance.clone()).await;
        probe.is_err_and(|error| error.to_string().contains("signal: 9"))
    })
    .await;
    hub.clone().stop(context(), instance.clone()).await.unwrap();
    let again = start(&hub, specification).await.unwrap();
    assert_eq!(again.id, instance.id);
    assert_ne!(pid(&again), pid(&instance));
    hub.clone().stop(context(), again).await.unwrap();
}

#[tokio::test]
async fn a_port_that_somebody_else_serves_is_refused() {
    let fake = FakeOllama::builder().start().await.unwrap();
    let mut specification = specification("serve");
    specification["port"] = json!(fake.addr().port());
    let error = start(&hub(), specification).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CONFIGURATION);
    assert!(
        error
            .message
            .contains("by an Ollama 0.33.0 that this hub did not start"),
        "{error}"
    );
}

#[tokio::test]
async fn a_port_that_something_silent_holds_is_refused_too() {
    let fake = FakeOllama::builder().start().await.unwrap();
    fake.fail(Fault::HangBeforeHeaders);
    let mut specification = specification("serve");
    specification["port"] = json!(fake.addr().port());
    let error = start(&hub(), specification).await.unwrap_err();
    assert!(error.message.ends_with("is in use"), "{error}");
}

#[tokio::test]
async fn one_that_runs_is_not_started_twice() {
    let hub = hub();
    let specification = specification("serve");
    let instance = start(&hub, specification.clone()).await.unwrap();
    let error = start(&hub, specification).await.unwrap_err();
    assert!(error.message.contains("runs already"), "{error}");
    hub.clone().stop(context(), instance).await.unwrap();
}

#[tokio::test]
async fn only_what_was_started_here_is_stopped() {
    let fake = FakeOllama::builder().start().await.unwrap();
    let hub = hub();
    let foreign = Arc::new(ResourceInstance::new(fake.addr().to_string()));
    assert!(
        hub.clone()
            .stop(context(), foreign)
            .await
            .unwrap_err()
            .message
            .contains("not started by this hub")
    );
}

#[tokio::test]
async fn discovery_does_not_find_what_is_being_started() {
    let specification = specification("serve");
    let port = u16::try_from(specification["port"].as_u64().unwrap()).unwrap();
    let config = ollama_hub::Config {
        ports: vec![port],
        ..ollama_hub::Config::default()
    };
    let hub = hub_of(&TestHost::new(), config);
    // The engine does not know of it yet.
    let instance = start(&hub, specification).await.unwrap();
    assert!(hub.clone().discover(context()).await.unwrap().is_empty());
    hub.clone().stop(context(), instance).await.unwrap();
    assert!(hub.clone().discover(context()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_hub_that_is_dropped_leaves_nothing_behind() {
    let hub = hub();
    let instance = start(&hub, specification("parent")).await.unwrap();
    drop(hub);
    until("all is gone", async || group(pid(&instance)) == 0).await;
}

/// Starts a server, says which, and waits to be killed.
async fn host_to_be_killed() {
    let hub = hub();
    let instance = start(&hub, specification("parent")).await.unwrap();
    println!("\nserver {}", pid(&instance));
    std::future::pending().await
}

#[tokio::test]
async fn a_host_that_is_killed_leaves_nothing_behind() {
    use tokio::io::{AsyncBufReadExt, BufReader};

    let mut host = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::stand_in", "--nocapture"])
        .env(ROLE, "host")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let server: u32 = loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if let Some(pid) = line.strip_prefix("server ") {
            break pid.parse().unwrap();
        }
    };
    assert_eq!(group(server), 2);
    host.start_kill().unwrap();
    host.wait().await.unwrap();
    until("the server and its runner are gone", async || group(server) == 0).await;
}

#[tokio::test]
async fn the_end_of_the_plugin_is_the_end_of_its_servers() {
    let plugin = Harness::new()
        .workers(1)
        .hub::<OllamaHub>(&json!({ "auto_discover": false }))
        .unwrap();
    let instance = plugin.start(&context(), &specification("parent")).await.unwrap();
    assert_eq!(group(pid(&instance)), 2);
    plugin.shutdown().await;
    drop(plugin);
    until("all is gone", async || group(pid(&instance)) == 0).await;
}
