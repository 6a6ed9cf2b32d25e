//! Pulling models.

use std::time::Duration;

use fakes::{Fault, client, ollama::FakeOllama};
use serde_json::{Value, json};

async fn registry() -> FakeOllama {
    FakeOllama::builder()
        .pullable("qwen3:0.6b")
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_pull_tells_its_progress_and_ends_with_the_model_on_disk() {
    let fake = registry().await;
    let answer = client::post(&fake.url_of("/api/pull"), &json!({"model": "qwen3:0.6b"}))
        .await
        .unwrap();
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines = answer.lines();
    assert_eq!(lines[0], json!({"status": "pulling manifest"}));
    assert_eq!(lines[1].get("completed"), None);
    let digest = lines[1]["digest"].as_str().unwrap();
    assert!(digest.starts_with("sha256:"));
    assert_eq!(lines[1]["status"], format!("pulling {}", &digest[7..19]));
    assert_eq!(lines[5]["completed"], lines[5]["total"]);
    let last: Vec<&Value> = lines.iter().rev().take(3).map(|line| &line["status"]).collect();
    assert_eq!(last, ["success", "writing manifest", "verifying sha256 digest"]);
    assert_eq!(fake.on_disk(), ["qwen3:0.6b"]);
}

#[tokio::test]
async fn an_unknown_model_is_an_error_line_in_a_200() {
    let fake = registry().await;
    let answer = client::post(&fake.url_of("/api/pull"), &json!({"model": "nope"}))
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    let error = json!({"error": "pull model manifest: file does not exist"});
    assert_eq!(
        answer.lines(),
        [json!({"status": "pulling manifest"}), error.clone()]
    );

    let whole = client::post(
        &fake.url_of("/api/pull"),
        &json!({"model": "nope", "stream": false}),
    )
    .await
    .unwrap();
    assert_eq!((whole.status, whole.json()), (500, error));
    assert!(fake.on_disk().is_empty());
}

#[tokio::test]
async fn without_a_stream_only_success_is_told() {
    let fake = registry().await;
    let request = json!({"model": "qwen3:0.6b", "stream": false});
    let answer = client::post(&fake.url_of("/api/pull"), &request).await.unwrap();
    assert_eq!(answer.json(), json!({"status": "success"}));
    assert_eq!(fake.on_disk(), ["qwen3:0.6b"]);
}

#[tokio::test(start_paused = true)]
async fn a_pull_whose_client_leaves_installs_nothing() {
    let fake = FakeOllama::builder()
        .pullable("big")
        .progress_delay(Duration::from_secs(60))
        .start()
        .await
        .unwrap();
    let mut pull = client::stream(&fake.url_of("/api/pull"), &json!({"model": "big"}))
        .await
        .unwrap();
    pull.next().await.unwrap();
    drop(pull);
    fake.until("the pull to be abandoned", |fake| fake.in_flight() == 0)
        .await;
    assert!(fake.requests()[0].disconnected());
    assert!(fake.on_disk().is_empty());
}

#[tokio::test]
async fn a_pull_can_break_in_the_middle() {
    let fake = registry().await;
    fake.fail_next(1, Fault::ErrorLineAfter(3));
    let lines = client::post(&fake.url_of("/api/pull"), &json!({"model": "qwen3:0.6b"}))
        .await
        .unwrap()
        .lines();
    assert_eq!(lines.len(), 4);
    assert!(lines[3]["error"].is_string());
    assert!(fake.on_disk().is_empty());
}
