//! L1, exactly: a host is killed in the middle of each thing that it asks of the engine, before and after it is done.

use std::time::Duration;

use containers::{Engine, Image};
use serde_json::json;
use system::gate::{Gate, Side};

use crate::boxes::{containers_of, directories, eventually};
use crate::foreign::Foreign;
use crate::lifecycle_engine::{ENGINE, behind};
use crate::lifecycle_killed::SOON;
use crate::python::{Level, Python};

/// What a host asks an engine for one box, from its beginning to its end: method, and how the path ends behind the container.
const STEPS: [(&str, &str); 6] = [
    ("POST", "create"),
    ("GET", "json"),
    ("POST", "attach"),
    ("POST", "wait"),
    ("POST", "start"),
    ("DELETE", ""),
];

/// Whether a request is this step of some container.
fn is_step(step: (&str, &str), method: &str, path: &str) -> bool {
    let Some((_, behind)) = path.split_once("/containers/") else {
        return false;
    };
    let end = match behind.split_once('/') {
        Some((_, end)) => end,
        None if behind == "create" => "create",
        // The list of all containers, which is none of a box.
        None if behind == "json" => return false,
        None => "",
    };
    (method, end) == step
}

/// Starts a host, kills it when it has come to this step, and returns the number of its process.
async fn killed_at(step: (&'static str, &'static str), side: Side) -> u32 {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let gate = Gate::start(&socket, ENGINE, side, move |method, path| {
        is_step(step, method, path)
    });
    let mut host = behind(&socket.display().to_string(), Image::Plain.name(), "")
        .start()
        .await;
    host.until_routable(1).await;
    let pid = host.pid();
    let asked = if step.0 == "DELETE" {
        let python = Python::of(host, Level::Sandboxed).await;
        python.host.signal("TERM");
        host = python.host;
        None
    } else {
        let body =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "python/execute", "params": { "code": "1" } });
        let url = host.url_of("/rpc");
        Some(tokio::spawn(
            async move { fakes::client::post(&url, &body).await },
        ))
    };
    gate.held().await;
    host.signal("KILL");
    host.ended().await;
    if let Some(asked) = asked {
        asked.abort();
    }
    drop(gate);
    pid
}

/// A box that runs ends with its host. What was created and never started stays until the next host removes it.
async fn nothing_is_left(engine: Engine, side: Side) {
    let (foreign, others) = (
        Foreign::start(engine),
        // Made by a host of another machine, as far as anybody here can tell.
        Foreign::with(
            engine,
            &[
                "--label=gleitzeit.machine=another-1",
                "--label=gleitzeit.boot=b",
                "--label=gleitzeit.process=1",
                "--label=gleitzeit.began=1",
                "--label=gleitzeit.kind=sandbox",
            ],
        ),
    );
    let mut pids = Vec::new();
    for step in STEPS {
        let pid = killed_at(step, side).await;
        let left = || containers_of(engine, pid);
        if step.0 == "DELETE" || (step.1 == "start" && side == Side::After) {
            eventually(
                &format!("the box of {step:?} is gone"),
                Duration::from_secs(2),
                left,
                Vec::is_empty,
            )
            .await;
        }
        pids.push(pid);
    }
    let next = Python::start(Level::Sandboxed, "").await;
    let left = || {
        pids.iter()
            .flat_map(|&pid| containers_of(engine, pid))
            .collect::<Vec<_>>()
    };
    eventually("no container of six hosts is left", SOON, left, Vec::is_empty).await;
    let left = || pids.iter().flat_map(|&pid| directories(pid)).collect::<Vec<_>>();
    eventually("no directory of six hosts is left", SOON, left, Vec::is_empty).await;
    assert_eq!(next.run("1 + 1").await.result(), 2);
    assert!(foreign.runs() && others.runs());
}

#[tokio::test]
async fn l1_killed_before_the_engine_does_it() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    nothing_is_left(engine, Side::Before).await;
}

#[tokio::test]
async fn l1_killed_after_the_engine_did_it() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    nothing_is_left(engine, Side::After).await;
}

/// The name that a box was to have is taken, by a container that is none of ours.
#[tokio::test]
async fn x_a_name_that_is_taken() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let gate = Gate::start(&socket, ENGINE, Side::Before, |method, path| {
        is_step(("POST", "create"), method, path)
    });
    let host = behind(&socket.display().to_string(), Image::Plain.name(), "")
        .start()
        .await;
    host.until_routable(1).await;
    let asked = host.rpc("python/execute", json!({ "code": "6 * 7" }));
    let taking = async {
        let target = gate.held().await;
        let name = target.split_once("name=").unwrap().1.split('&').next().unwrap();
        let foreign = Foreign::with(engine, &["--name", name]);
        gate.open();
        foreign
    };
    let (answer, foreign) = tokio::join!(asked, taking);
    assert_eq!(answer["result"]["result"], 42, "{answer}");
    assert!(foreign.runs());
    drop(host);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(foreign.runs(), "it was removed by its name");
}
