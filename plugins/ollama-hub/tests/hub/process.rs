//! Running a local server: its environment, its output, its beginning and its end.
//!
//! The stand-in for the real program is this test's own binary, called to run the one test [`stand_in`], which does
//! nothing otherwise.

mod ending;
mod starting;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use fakes::ollama::FakeOllama;
use ollama_hub::OllamaHub;
use plugin_api::{Error, Hub, ResourceInstance};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::support::{context, hub};

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

/// Starts a server, says which, and waits to be killed.
async fn host_to_be_killed() {
    let hub = hub();
    let instance = start(&hub, specification("parent")).await.unwrap();
    println!("\nserver {}", pid(&instance));
    std::future::pending().await
}
