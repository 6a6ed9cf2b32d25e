//! Commanding faults from another process.

use fakes::{client, ollama::FakeOllama};
use serde_json::{Value, json};

use crate::chat;

async fn command(fake: &FakeOllama, command: Value) -> u16 {
    client::post(&fake.url_of("/__fault"), &command)
        .await
        .unwrap()
        .status
}

async fn status(fake: &FakeOllama) -> u16 {
    client::post(&fake.url_of("/api/chat"), &chat(json!({})))
        .await
        .unwrap()
        .status
}

#[tokio::test]
async fn faults_are_commanded_by_name_and_healed_by_none() {
    let fake = FakeOllama::builder()
        .model("llama3.2")
        .controlled_over_http()
        .start()
        .await
        .unwrap();
    assert_eq!(command(&fake, json!({"fault": "busy"})).await, 200);
    assert_eq!(status(&fake).await, 503);
    assert_eq!(
        command(&fake, json!({"fault": {"status": {"code": 418, "body": "x"}}})).await,
        200
    );
    assert_eq!(status(&fake).await, 418);
    assert_eq!(command(&fake, json!({})).await, 200);
    assert_eq!(status(&fake).await, 200);
    assert_eq!(command(&fake, json!({"fault": "error500", "next": 1})).await, 200);
    assert_eq!((status(&fake).await, status(&fake).await), (500, 200));
    assert_eq!(
        command(
            &fake,
            json!({"fault": {"slow_first_byte": "1ms"}, "path": "/api/chat"})
        )
        .await,
        200
    );
    assert_eq!(status(&fake).await, 200);
    let heard = client::get(&fake.url_of("/__requests")).await.unwrap().json();
    assert_eq!(heard["in_flight"], 0);
    assert_eq!(heard["requests"].as_array().unwrap().len(), 6);
    assert_eq!(heard["requests"][0]["path"], "/api/chat");
    assert_eq!(heard["requests"][0]["ending"], "complete");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_by_itself() {
    let fake = FakeOllama::builder()
        .model("llama3.2")
        .controlled_over_http()
        .start()
        .await
        .unwrap();
    let refuse = json!({"fault": "refuse", "for": "2s"});
    // The command's own connection is reset with the rest.
    assert!(client::post(&fake.url_of("/__fault"), &refuse).await.is_err());
    assert!(client::get(&fake.url_of("/api/version")).await.is_err());
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(status(&fake).await, 200);
}

#[tokio::test]
async fn what_is_no_fault_is_refused() {
    let fake = FakeOllama::builder()
        .controlled_over_http()
        .start()
        .await
        .unwrap();
    for nonsense in [
        json!({"fault": "explode"}),
        json!({"fualt": "busy"}),
        json!({"fault": "busy", "for": "ever"}),
    ] {
        assert_eq!(command(&fake, nonsense).await, 400);
    }
}

#[tokio::test]
async fn there_is_no_control_unless_asked_for() {
    let fake = FakeOllama::builder().start().await.unwrap();
    assert_eq!(command(&fake, json!({"fault": "busy"})).await, 404);
}
