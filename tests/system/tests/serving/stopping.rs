//! The end of a host: nothing new, what runs may finish, what does not is told.

use std::time::Duration;

use fakes::client;
use fakes::ollama::FakeOllama;
use serde_json::json;
use system::host::fleet;

async fn slow(words: usize) -> FakeOllama {
    FakeOllama::builder()
        .loaded_model("llama3.2")
        .tokens((0..words).map(|word| format!("w{word} ")).collect::<Vec<_>>())
        .token_delay(Duration::from_millis(50))
        .start()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn work_in_flight_is_finished_before_the_end() {
    let server = slow(20).await;
    let mut host = fleet(&[server.url()], "").start().await;
    host.until_routable(1).await;
    let body = json!({ "model": "llama3.2", "prompt": "hi" });
    let mut answer = client::stream(&host.url_of("/api/generate"), &body)
        .await
        .unwrap();
    answer.next().await.unwrap();
    host.signal("TERM");
    let lines = answer.rest().await.unwrap().lines();
    assert_eq!(lines.last().unwrap()["done"], true, "{lines:?}");
    assert_eq!(host.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_finish_in_time_ends_with_an_explicit_error() {
    let server = slow(10_000).await;
    let mut host = fleet(&[server.url()], "")
        .argument("--set")
        .argument("host.shutdown_timeout=\"500ms\"")
        .start()
        .await;
    host.until_routable(1).await;
    let body = json!({ "model": "llama3.2", "prompt": "hi" });
    let mut answer = client::stream(&host.url_of("/api/generate"), &body)
        .await
        .unwrap();
    answer.next().await.unwrap();
    host.signal("TERM");
    let lines = answer.rest().await.unwrap().lines();
    assert!(
        lines.last().unwrap()["error"]
            .as_str()
            .is_some_and(|text| text.contains("stopping")),
        "{lines:?}"
    );
    assert_eq!(host.ended().await, Some(0));
}
