//! L2 and L8: boxes that die, freeze or vanish under their work, and a crowd that goes on.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use containers::{Engine, Image};
use serde_json::{Value, json};

use crate::boxes::{Process, containers_of, descendants, eventually, process};
use crate::python::{Level, Python};

/// Does something to the box of a run, and returns what the caller is told.
async fn under_a_run(python: &Python, engine: Engine, what: &[&str]) -> Value {
    let running = python.ask(json!({ "code": "import time\ntime.sleep(60)", "timeout": 4 }));
    let doing = async {
        python
            .host
            .until("it runs", async |host| host.in_flight().await > 0)
            .await;
        for id in containers_of(engine, python.host.pid()) {
            engine.docker(what.iter().copied().chain([id.as_str()])).unwrap();
        }
    };
    let begun = Instant::now();
    let (answer, ()) = tokio::join!(running, doing);
    assert!(
        begun.elapsed() < Duration::from_secs(12),
        "{what:?}: {:?}",
        begun.elapsed()
    );
    answer
}

#[tokio::test]
async fn l2_a_box_that_dies_under_a_run_is_told_and_replaced() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    for what in [
        &["kill"][..],
        &["rm", "--force"],
        &["stop", "--time", "0"],
        &["pause"],
    ] {
        let python = Python::start(Level::Sandboxed, "").await;
        let before: HashSet<_> = containers_of(engine, python.host.pid()).into_iter().collect();
        let answer = under_a_run(&python, engine, what).await;
        let told = answer["result"]["outcome"] == "infrastructure" || answer["error"]["code"].is_i64();
        let timed_out = what == ["pause"] && answer["result"]["outcome"] == "timeout";
        assert!(told || timed_out, "{what:?}: {answer}");
        assert_eq!(python.run("1 + 1").await.result(), 2, "after {what:?}");
        let left = || {
            containers_of(engine, python.host.pid())
                .into_iter()
                .filter(|id| before.contains(id))
                .count()
        };
        eventually(
            "the old container is gone",
            Duration::from_secs(15),
            left,
            |left| *left == 0,
        )
        .await;
        python
            .host
            .until("nothing is in flight", async |host| host.in_flight().await == 0)
            .await;
    }
}

/// The supervisor is killed from outside, where nothing in the box could have done it.
#[tokio::test]
async fn l2_a_supervisor_that_dies_is_told_and_replaced() {
    for level in [Level::Restricted, Level::Sandboxed] {
        if !level.is_here() {
            continue;
        }
        let python = Python::start(level, "").await;
        let running = python.ask(json!({ "code": "import time\ntime.sleep(60)", "timeout": 20 }));
        let killing = async {
            python
                .host
                .until("it runs", async |host| host.in_flight().await > 0)
                .await;
            let found: HashSet<Process> = match level {
                Level::Sandboxed => {
                    let engine = containers::engine().unwrap();
                    let ids = containers_of(engine, python.host.pid());
                    ids.iter()
                        .map(|id| engine.inspect(id, "{{.State.Pid}}").unwrap().parse().unwrap())
                        .map(process)
                        .collect()
                }
                Level::Restricted => descendants(python.host.pid()),
            };
            // Parents before their children: code that dies before its supervisor is told as killed, and rightly.
            let mut found: Vec<_> = found.into_iter().collect();
            found.sort_by_key(|process| process.pid);
            for process in found {
                let _ = std::process::Command::new("kill")
                    .args(["-s", "KILL", &process.pid.to_string()])
                    .status();
            }
        };
        let (answer, ()) = tokio::join!(running, killing);
        let told = answer["result"]["outcome"] == "infrastructure" || answer["error"]["code"].is_i64();
        assert!(told, "{level:?}: {answer}");
        assert_eq!(python.run("1 + 1").await.result(), 2, "{level:?}");
    }
}

/// Sixteen callers, a thousand runs, and somebody who kills containers at random: each gets its own output or an error
/// that says what happened, and at the end nothing is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l8_a_crowd_under_fire_gets_its_own_answers() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    let python = Arc::new(Python::start(Level::Sandboxed, "").await);
    let next = Arc::new(AtomicUsize::new(0));
    let last = Arc::new(Mutex::new(String::new()));
    let callers: Vec<_> = (0..16)
        .map(|_| tokio::spawn(caller(python.clone(), next.clone(), last.clone())))
        .collect();
    let shooter = tokio::spawn({
        let (next, last) = (next.clone(), last.clone());
        async move {
            let (mut shots, mut aim) = (0, 30);
            while next.load(Ordering::Relaxed) < 950 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let box_ = std::mem::take(&mut *last.lock().unwrap());
                // One that has just answered, so that it is shot at work and not on its way.
                if next.load(Ordering::Relaxed) >= aim && !box_.is_empty() {
                    // It may have ended by itself meanwhile.
                    let _ = engine.docker(["kill", &box_]);
                    (shots, aim) = (shots + 1, aim + 40);
                }
            }
            shots
        }
    });
    let (mut answered, mut told) = (0, 0);
    for caller in callers {
        let (of_answered, of_told) = caller.await.unwrap();
        answered += of_answered;
        told += of_told;
    }
    let shots = shooter.await.unwrap();
    assert_eq!(answered + told, 1000);
    assert!(shots > 5, "{shots}");
    assert!(told <= shots * 2 + 16, "{told} calls failed by {shots} shots");
    python
        .host
        .until("nothing is in flight", async |host| host.in_flight().await == 0)
        .await;
    assert_eq!(python.run("1 + 1").await.result(), 2);
    let held = || containers_of(engine, python.host.pid()).len();
    eventually(
        "no more containers than the pool may hold",
        Duration::from_secs(20),
        held,
        |held| *held <= 4,
    )
    .await;
}

/// Runs until a thousand are through: how many were answered, and how many told why not. Who is told to come back later
/// does so.
async fn caller(python: Arc<Python>, next: Arc<AtomicUsize>, last: Arc<Mutex<String>>) -> (usize, usize) {
    let (mut answered, mut told) = (0, 0);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= 1000 {
            return (answered, told);
        }
        let code = "import os\nprint('out', n)\nopen('own', 'w').write(str(n))\nos.listdir('.') + [n]";
        let params = json!({ "code": code, "args": { "n": number }, "timeout": 20 });
        let mut answer = python.ask(params.clone()).await;
        for _ in 0..20 {
            if answer["error"]["data"]["retry"] == "never" || answer.get("error").is_none() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            answer = python.ask(params.clone()).await;
        }
        if answer["result"]["outcome"] == "ok" {
            assert_eq!(answer["result"]["result"], json!(["own", number]), "{answer}");
            assert_eq!(answer["result"]["stdout"], format!("out {number}\n"), "{answer}");
            *last.lock().unwrap() = answer["result"]["instance"].as_str().unwrap().to_owned();
            answered += 1;
        } else {
            let typed = answer["error"]["code"].is_i64() || answer["result"]["outcome"] == "infrastructure";
            assert!(typed, "{answer}");
            told += 1;
        }
    }
}

/// More callers than places wait their turn, up to their deadline; nobody waits for ever and nobody is forgotten.
#[tokio::test]
async fn l8_a_full_pool_makes_callers_wait_and_says_so() {
    let Some(_engine) = containers::require(Image::Plain) else {
        return;
    };
    let python = Python::start(Level::Sandboxed, "").await;
    let slow: Vec<_> = (0..4)
        .map(|_| python.ask(json!({ "code": "import time\ntime.sleep(4)" })))
        .collect();
    let busy = futures_util::future::join_all(slow);
    let hasty = async {
        python
            .host
            .until("all are busy", async |host| host.in_flight().await >= 4)
            .await;
        python.ask(json!({ "code": "1", "queue_timeout": 0.3 })).await
    };
    let (slow, hasty) = tokio::join!(busy, hasty);
    assert!(
        slow.iter().all(|answer| answer["result"]["outcome"] == "ok"),
        "{slow:?}"
    );
    assert!(hasty["error"]["code"].is_i64(), "{hasty}");
    python
        .host
        .until("nothing is in flight", async |host| host.in_flight().await == 0)
        .await;
}

/// Callers that hang up at every moment of a run leave nothing running and nothing held.
#[tokio::test]
async fn l7_callers_that_hang_up() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    let python = Python::start(Level::Sandboxed, "").await;
    for moment in 0..30 {
        let asked = python
            .ask(json!({ "code": "import time\nfor _ in range(100):\n    time.sleep(0.1)", "timeout": 15 }));
        let _ = tokio::time::timeout(Duration::from_millis(moment * 15), asked).await;
    }
    python
        .host
        .until("nothing is in flight", async |host| host.in_flight().await == 0)
        .await;
    let held = || containers_of(engine, python.host.pid()).len();
    eventually(
        "no more containers than the pool may hold",
        Duration::from_secs(20),
        held,
        |held| *held <= 4,
    )
    .await;
    let begun = Instant::now();
    assert_eq!(python.run("1 + 1").await.result(), 2);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "somebody still runs: {:?}",
        begun.elapsed()
    );
}
