//! L1, all at once: a host is killed under runs of every kind, and the next one finds a clean machine.

use std::time::Duration;

use containers::Image;
use serde_json::{Value, json};
use system::host::Host;

use crate::boxes::{containers_of, control_groups, descendants, directories, eventually};
use crate::lifecycle_killed::SOON;
use crate::python::{Level, served};

/// A file that no other test makes.
fn mark() -> String {
    format!("gleitzeit-crowd-{}", std::process::id())
}

/// Work that does not end by itself, of one kind each, with this mark wherever a file may be written.
fn kinds(mark: &str) -> [(&'static str, Value); 3] {
    let sleep = "import os, time\nos.fork()\nos.fork()\nos.setsid() if os.getpid() != os.getpgid(0) else None\ntime.sleep(60)";
    let files = format!(
        "import os, time\nfor place in ('.', '/tmp', '/dev/shm'):\n    try:\n        with open(place + '/{mark}', 'wb') as file:\n            file.write(bytes(1 << 20))\n    except OSError:\n        pass\ntime.sleep(60)"
    );
    let flood = "import time\nfor _ in range(200):\n    print('x' * 100000, flush=True)\ntime.sleep(60)";
    [
        ("python/execute", json!({ "code": sleep, "timeout": 25 })),
        (
            "python/execute",
            json!({ "code": files, "timeout": 25, "files": { "given": "g".repeat(100_000) } }),
        ),
        ("python/execute", json!({ "code": flood, "timeout": 25 })),
    ]
}

/// Asks in the background; whoever asked has gone with the host.
fn ask(host: &Host, method: &str, mut params: Value, level: Level) -> tokio::task::JoinHandle<()> {
    params["level"] = json!(level.name());
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let url = host.url_of("/rpc");
    tokio::spawn(async move { drop(fakes::client::post(&url, &body).await) })
}

/// Mounts of this machine that have to do with any of these.
fn mounts(of: &[String]) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let lines = mounts
        .lines()
        .filter(|line| of.iter().any(|of| line.contains(of.as_str())));
    lines.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn l1_killed_under_runs_of_every_kind() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    if !Level::Restricted.is_here() {
        return;
    }
    let mark = mark();
    let mut host = served("").start().await;
    let mut asked = Vec::new();
    for level in [Level::Restricted, Level::Sandboxed] {
        for (method, params) in kinds(&mark) {
            asked.push(ask(&host, method, params, level));
        }
        let session = host.call("python/open", json!({ "level": level.name() })).await;
        let run =
            json!({ "session": session["session"], "code": "import time\ntime.sleep(60)", "timeout": 25 });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "python/run", "params": run });
        let url = host.url_of("/rpc");
        asked.push(tokio::spawn(async move {
            drop(fakes::client::post(&url, &body).await)
        }));
    }
    host.until("all eight run", async |host| host.in_flight().await >= 8)
        .await;
    let pid = host.pid();
    let containers = containers_of(engine, pid);
    assert_eq!(containers.len(), 4, "{containers:?}");
    let below = descendants(pid);
    assert!(below.len() >= 4, "{below:?}");
    assert!(!directories(pid).is_empty());

    host.signal("KILL");
    host.ended().await;
    for asked in asked {
        asked.await.unwrap();
    }
    let next = served("").start().await;
    for level in [Level::Restricted, Level::Sandboxed] {
        let params = json!({ "code": "6 * 7", "level": level.name() });
        next.until("code runs again", async |next| {
            next.rpc("python/execute", params.clone()).await["result"]["result"] == 42
        })
        .await;
    }
    eventually("no container", SOON, || containers_of(engine, pid), Vec::is_empty).await;
    let alive = || {
        below
            .iter()
            .filter(|process| process.lives())
            .cloned()
            .collect::<Vec<_>>()
    };
    eventually("no process", Duration::from_secs(2), alive, Vec::is_empty).await;
    eventually("no control group", SOON, || control_groups(pid), Vec::is_empty).await;
    eventually("no directory", SOON, || directories(pid), Vec::is_empty).await;
    let of = [containers, vec![format!(".{pid}."), mark.clone()]].concat();
    eventually("no mount", SOON, || mounts(&of), Vec::is_empty).await;
    for place in ["/dev/shm", "/tmp"] {
        let file = std::path::Path::new(place).join(&mark);
        assert!(!file.exists(), "{}", file.display());
    }
}
