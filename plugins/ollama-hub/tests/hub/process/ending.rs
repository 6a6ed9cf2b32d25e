//! How a local server ends, and that nothing of it is left.

use std::cell::Cell;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use fakes::ollama::FakeOllama;
use ollama_hub::OllamaHub;
use plugin_api::testing::Harness;
use plugin_api::{ErrorCode, Hub, ResourceInstance};
use serde_json::json;

use super::{NOTES, ROLE, group, noted, notes, pid, specification, start};
use crate::support::{context, hub, until};

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
async fn a_hub_that_is_dropped_leaves_nothing_behind() {
    let hub = hub();
    let instance = start(&hub, specification("parent")).await.unwrap();
    drop(hub);
    until("all is gone", async || group(pid(&instance)) == 0).await;
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
