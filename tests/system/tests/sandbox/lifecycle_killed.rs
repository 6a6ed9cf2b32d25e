//! L1: a host that is killed leaves nothing, in whatever state its boxes are, and takes nothing of others with it.

use std::time::Duration;

use containers::{Engine, Image};
use serde_json::json;

use crate::boxes::{containers_of, control_groups, descendants, eventually};
use crate::foreign::Foreign;
use crate::python::{Level, Python};

/// How long a host that was just started may take to remove what others left.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Kills a host, lets another start, and waits until the engine holds nothing of the first.
async fn killed(engine: Engine, mut python: Python) {
    let pid = python.host.pid();
    python.host.signal("KILL");
    python.host.ended().await;
    let next = Python::start(Level::Sandboxed, "").await;
    eventually(
        "its containers are gone",
        SOON,
        || containers_of(engine, pid),
        Vec::is_empty,
    )
    .await;
    assert_eq!(next.run("1 + 1").await.result(), 2);
}

#[tokio::test]
async fn l1_killed_with_an_idle_box() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    let foreign = Foreign::start(engine);
    let python = Python::start(Level::Sandboxed, "").await;
    assert!(
        !containers_of(engine, python.host.pid()).is_empty(),
        "the label is the one that tests look for"
    );
    killed(engine, python).await;
    assert!(foreign.runs());
}

#[tokio::test]
async fn l1_killed_while_a_box_is_busy() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    let python = Python::start(Level::Sandboxed, "").await;
    let running = python.ask(json!({ "code": "import time\ntime.sleep(60)", "timeout": 25 }));
    tokio::select! {
        answer = running => panic!("it ended before the host: {answer}"),
        () = python.host.until("it runs", async |host| host.in_flight().await > 0) => {}
    }
    killed(engine, python).await;
}

/// Confined processes and their control groups end with their host too.
#[tokio::test]
async fn l1_killed_with_processes() {
    if !Level::Restricted.is_here() {
        return;
    }
    let mut python = Python::start(Level::Restricted, "").await;
    let running = python.ask(json!({ "code": "import time, os\nos.fork()\ntime.sleep(60)", "timeout": 25 }));
    tokio::select! {
        answer = running => panic!("it ended before the host: {answer}"),
        () = python.host.until("it runs", async |host| host.in_flight().await > 0) => {}
    }
    let pid = python.host.pid();
    let below = descendants(pid);
    assert!(!below.is_empty(), "code runs in a process below the host");
    python.host.signal("KILL");
    python.host.ended().await;
    let alive = || {
        below
            .iter()
            .filter(|process| process.lives())
            .cloned()
            .collect::<Vec<_>>()
    };
    eventually("its processes are gone", SOON, alive, Vec::is_empty).await;
    let next = Python::start(Level::Restricted, "").await;
    eventually(
        "its control groups are gone",
        SOON,
        || control_groups(pid),
        Vec::is_empty,
    )
    .await;
    assert_eq!(next.run("1 + 1").await.result(), 2);
}

/// Two hosts on one engine leave each other's containers alone, also when one of them dies and comes back.
#[tokio::test]
async fn l1_hosts_leave_each_other_alone() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    let one = Python::start(Level::Sandboxed, "").await;
    let two = Python::start(Level::Sandboxed, "").await;
    let of_two = containers_of(engine, two.host.pid());
    assert!(!of_two.is_empty());
    killed(engine, one).await;
    assert_eq!(containers_of(engine, two.host.pid()), of_two);
    assert_eq!(two.run("1 + 1").await.result(), 2);
}
