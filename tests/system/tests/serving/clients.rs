//! The stock Python clients, against the running host.

use std::path::Path;
use std::process::Command;

use fakes::ollama::{FakeModel, FakeOllama};
use system::host::{Host, fleet, repository};

/// The virtual environment that `cargo verify` prepares. Without it there is nothing to test with, which is told; in
/// CI it is a failure.
pub(crate) fn python() -> Option<std::path::PathBuf> {
    let python = repository("target/engine/venv/bin/python");
    if python.exists() {
        return Some(python);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "tests/engine/setup.sh has not prepared {}",
        python.display()
    );
    eprintln!("skipped: no Python clients here; run `bash tests/engine/setup.sh target/engine`");
    None
}

async fn run(python: &Path, script: &str, base: &str, arguments: &[&str]) {
    let mut command = Command::new(python);
    command.arg(repository(script)).arg(base).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{script}:\n{out}\n{err}");
    assert!(out.lines().any(|line| line.starts_with("ok ")), "{out}");
}

async fn served() -> (Vec<FakeOllama>, Host) {
    let server = FakeOllama::builder()
        .model(FakeModel::new("llama3.2").vision())
        .model(FakeModel::new("nomic-embed-text").embedding(16))
        .pullable("qwen3:0.6b")
        .start()
        .await
        .unwrap();
    let host = fleet(&[server.url()], "").start().await;
    host.until_routable(1).await;
    (vec![server], host)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ollama_package_finds_everything_it_expects() {
    let Some(python) = python() else { return };
    let (_servers, host) = served().await;
    run(
        &python,
        "tests/clients/ollama_client.py",
        host.url(),
        &[
            "llama3.2",
            "--embedder",
            "nomic-embed-text",
            "--pullable",
            "qwen3:0.6b",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_package_finds_everything_it_expects() {
    let Some(python) = python() else { return };
    let (_servers, host) = served().await;
    run(
        &python,
        "tests/clients/openai_client.py",
        &host.url_of("/v1"),
        &["llama3.2", "--embedder", "nomic-embed-text"],
    )
    .await;
}
