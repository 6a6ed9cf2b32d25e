//! Nothing is left behind: by a start that nobody waits for, by a host that is killed, by a process without a box.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use confine::cgroup::Parent;
use plugin_api::contract::workload::{Isolation, Syscalls};
use plugin_api::{ErrorCode, Hub};
use process_hub::Config;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::support::{
    config, context, control, hub, hub_of, listed, listener, pid, runs, say, start, stop, until,
};

/// Set where this binary plays a host that is to be killed.
const ROLE: &str = "PROCESS_HUB_TEST_HOST";

/// The control groups that a process made for its boxes and that are there still.
fn groups_of(owner: u32) -> Vec<PathBuf> {
    let report = Parent::find(None).unwrap().report();
    let places: BTreeSet<PathBuf> = [report.memory, report.processes, report.processors]
        .into_iter()
        .flatten()
        .collect();
    let entries = places
        .iter()
        .filter_map(|place| std::fs::read_dir(place).ok())
        .flatten()
        .flatten();
    let owner = format!(".{owner}.");
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && path.to_string_lossy().contains(&owner))
        .collect()
}

/// The children of this process that play launchers.
fn launchers() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let children = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let children = children.flat_map(|line| {
        line.split_ascii_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    children
        .filter(|pid| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.contains("process-hub-test-launcher")
        })
        .count()
}

#[tokio::test]
async fn a_start_that_is_dropped_at_any_moment_leaves_nothing() {
    let (hub, host) = hub();
    for step in 0..24 {
        let workload = listener();
        let starting = start(&hub, &workload);
        let moment = Duration::from_micros(2_000 * step);
        let _ = tokio::time::timeout(moment, starting)
            .await
            .map(|started| started.unwrap());
    }
    for id in listed(&hub).await {
        control(&hub, "kill", json!({ "id": id })).await.unwrap();
    }
    until("no launcher is left", || launchers() == 0).await;
    until("no group is left", || groups_of(std::process::id()).is_empty()).await;
    drop(host);
}

/// Plays a host that runs a process and is killed.
#[tokio::test]
async fn host_to_be_killed() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let (hub, _host) = hub();
    let instance = start(&hub, &listener()).await.unwrap();
    println!("\npid {}", pid(&instance));
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_host_that_is_killed_takes_its_processes_along_and_the_next_one_tidies_up() {
    let mut killed = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "leaving::host_to_be_killed", "--nocapture"])
        .env(ROLE, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let owner = killed.id().unwrap();
    let mut lines = BufReader::new(killed.stdout.take().unwrap()).lines();
    let running = loop {
        let line = lines.next_line().await.unwrap().expect("it starts a process");
        if let Some(pid) = line.strip_prefix("pid ") {
            break pid.parse::<u64>().unwrap();
        }
    };
    assert!(runs(running));
    killed.kill().await.unwrap();
    until("its process is gone", || !runs(running)).await;

    // One that lives is left alone meanwhile.
    let (hub, _host) = hub();
    let living = start(&hub, &listener()).await.unwrap();
    let (next, _host) = hub_of(config());
    control(&next, "cleanup", json!({})).await.unwrap();
    assert!(groups_of(owner).is_empty());
    assert_eq!(say(&living, "ab").await.unwrap(), "ba");
    stop(&hub, &living).await;
}

#[tokio::test]
async fn without_a_box_only_where_the_operator_says_so() {
    let mut workload = listener();
    workload.isolation = Isolation::None;
    workload.syscalls = Syscalls::Unfiltered;
    let (hub, _) = hub();
    let error = start(&hub, &workload).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
    assert!(error.hint.unwrap().contains("allow_unconfined"));

    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(
        directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    let (hub, _host) = hub_of(Config {
        allow_unconfined: true,
        directory: Some(directory.path().to_owned()),
        ..config()
    });
    let instance = start(&hub, &workload).await.unwrap();
    assert_eq!(say(&instance, "abc").await.unwrap(), "cba");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    let probe = hub.clone().probe(context(), instance.clone()).await.unwrap();
    assert!(probe.load.memory_bytes.unwrap() > 0);
    stop(&hub, &instance).await;
    assert!(!runs(pid(&instance)));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_directory_that_others_may_change_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(
        directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    let (hub, _host) = hub_of(Config {
        allow_unconfined: true,
        directory: Some(directory.path().to_owned()),
        ..config()
    });
    let mut workload = listener();
    workload.isolation = Isolation::None;
    let error = start(&hub, &workload).await.unwrap_err();
    assert!(error.message.contains("only we may change"), "{error}");
}

#[tokio::test]
async fn there_is_nothing_to_configure_or_adopt() {
    let (hub, _) = hub();
    let settings = plugin_api::contract::instance::InstanceSettings {
        url: "unix:///run/x".to_owned(),
        ..Default::default()
    };
    let error = plugin_api::Error::from(hub.adopt(settings).unwrap_err());
    assert_eq!(error.code, ErrorCode::CONFIGURATION);
    assert!(error.message.contains("instances"), "{error}");
}
