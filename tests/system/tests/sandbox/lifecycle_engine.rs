//! L3: the engine is cut off, stalls, forgets an image; the disk is full. Calls are told, and all is well afterwards.

use std::time::{Duration, Instant};

use containers::{Engine, Image};
use serde_json::json;
use system::host::{HostBuilder, host};
use system::proxy::{Mode, Proxy};

use crate::boxes::containers_of;
use crate::python::{Level, Python};

/// A host that knows the engine only through this socket.
pub(crate) fn behind(socket: &str, image: &str, config: &str) -> HostBuilder {
    host(&format!(
        "[hubs.docker]\nplugin = \"docker-hub\"\nwarm = {{ min_idle = 0, max = 4 }}\ninstances = [{{ url = \"unix://{socket}\" }}]\n\
         health = {{ interval = \"1s\", timeout = \"1s\" }}\nbreaker = {{ recovery_timeout = \"1s\" }}\n\
         config = {{ auto_discover = false, call_timeout = \"2s\", create_timeout = \"3s\", pull = \"never\" {config} }}\n\
         [providers.python]\nplugin = \"python-provider\"\nhubs = {{ sandboxed = \"docker\" }}\n\
         config = {{ sandboxed = {{ image = \"{image}\" }} }}\n",
    ))
    .plugins(&["docker-hub", "python-provider"])
}

/// Where the engine of this machine listens.
pub(crate) const ENGINE: &str = "/var/run/docker.sock";

/// Removes whatever boxes there are, so that the next run needs the engine.
fn remove_all(engine: Engine, pid: u32) {
    for id in containers_of(engine, pid) {
        // It may be on its way out already.
        let _ = engine.docker(["rm", "--force", &id]);
    }
}

#[tokio::test]
async fn l3_an_engine_that_is_cut_off_or_stalls_is_told_and_found_again() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let proxy = Proxy::start(&socket, ENGINE);
    let host = behind(&socket.display().to_string(), Image::Plain.name(), "")
        .start()
        .await;
    let python = Python::of(host, Level::Sandboxed).await;
    for mode in [Mode::Cut, Mode::Stall] {
        proxy.set(mode);
        remove_all(engine, python.host.pid());
        let begun = Instant::now();
        let answer = python
            .ask(json!({ "code": "1", "timeout": 5, "queue_timeout": 8 }))
            .await;
        assert!(
            answer["error"]["code"].is_i64() || answer["result"]["outcome"] == "infrastructure",
            "{mode:?}: {answer}"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{mode:?}: {:?}",
            begun.elapsed()
        );
        let status = python.host.call("manager/instances", json!({})).await;
        assert!(status.is_array(), "status answers from what is known: {status}");
        proxy.set(Mode::Pass);
        let begun = Instant::now();
        loop {
            let answer = python.ask(json!({ "code": "6 * 7" })).await;
            if answer["result"]["result"] == 42 {
                break;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "{mode:?}: not found again: {answer}"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        python
            .host
            .until("nothing is in flight", async |host| host.in_flight().await == 0)
            .await;
    }
}

/// A run that has its box needs no engine to finish.
#[tokio::test]
async fn l3_a_run_under_way_survives_the_loss_of_the_engine() {
    let Some(_engine) = containers::require(Image::Plain) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let proxy = Proxy::start(&socket, ENGINE);
    let host = behind(&socket.display().to_string(), Image::Plain.name(), "")
        .start()
        .await;
    let python = Python::of(host, Level::Sandboxed).await;
    let running = python.ask(json!({ "code": "import time\ntime.sleep(3)\n'finished'", "timeout": 10 }));
    let stalling = async {
        python
            .host
            .until("it runs", async |host| host.in_flight().await > 0)
            .await;
        proxy.set(Mode::Stall);
    };
    let (answer, ()) = tokio::join!(running, stalling);
    assert_eq!(answer["result"]["result"], "finished", "{answer}");
    proxy.set(Mode::Pass);
}

#[tokio::test]
async fn l3_an_image_that_is_gone_is_told_and_found_again() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    let name = format!("gleitzeit-test/gone-{}", std::process::id());
    engine.docker(["tag", Image::Plain.name(), &name]).unwrap();
    let python = Python::of(behind(ENGINE, &name, "").start().await, Level::Sandboxed).await;
    engine.docker(["rmi", &name]).unwrap();
    remove_all(engine, python.host.pid());
    let answer = python.ask(json!({ "code": "1", "queue_timeout": 5 })).await;
    assert!(answer["error"]["code"].is_i64(), "{answer}");
    assert!(
        answer.to_string().contains(&name),
        "the error names the image: {answer}"
    );
    engine.docker(["tag", Image::Plain.name(), &name]).unwrap();
    python
        .host
        .until("the image is found again", async |_| {
            python.ask(json!({ "code": "6 * 7" })).await["result"]["result"] == 42
        })
        .await;
    engine.docker(["rmi", &name]).unwrap();
}

/// A full disk under the directory of control channels is an error of the call that needs it.
#[tokio::test]
async fn l3_a_full_disk_is_told_and_recovers() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k,nr_inodes=16,mode=0700", "tmpfs"])
        .arg(&disk)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        assert!(
            std::env::var_os("CI").is_none(),
            "no disk to fill: tests mount one, as root"
        );
        eprintln!("skipped: no disk to fill; a test mounts one, as root");
        return;
    }
    let unmount = Unmount(disk.clone());
    let config = format!(", state_dir = \"{}\"", disk.display());
    let python = Python::of(
        behind(ENGINE, Image::Plain.name(), &config).start().await,
        Level::Sandboxed,
    )
    .await;
    let mut fill = 0;
    while std::fs::write(disk.join(format!("fill{fill}")), b"x").is_ok() {
        fill += 1;
    }
    remove_all(engine, python.host.pid());
    // What it held before makes room for one or two; then there is none.
    let mut told = None;
    for _ in 0..6 {
        while std::fs::write(disk.join(format!("fill{fill}")), b"x").is_ok() {
            fill += 1;
        }
        remove_all(engine, python.host.pid());
        let answer = python.ask(json!({ "code": "1", "queue_timeout": 5 })).await;
        if answer["error"]["code"].is_i64() {
            told = Some(answer);
            break;
        }
    }
    assert!(told.is_some(), "a full disk was never told");
    for number in 0..fill {
        let _ = std::fs::remove_file(disk.join(format!("fill{number}")));
    }
    python
        .host
        .until("there is room again", async |_| {
            python.ask(json!({ "code": "6 * 7" })).await["result"]["result"] == 42
        })
        .await;
    drop(python);
    drop(unmount);
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("--lazy")
            .arg(&self.0)
            .status();
    }
}
