//! What is in memory. The clock is paused: times are as long as they say and cost nothing.

use std::time::Duration;

use fakes::{
    client,
    ollama::{FakeModel, FakeOllama},
};
use serde_json::{Value, json};

use crate::chat;

async fn ps(fake: &FakeOllama) -> Vec<Value> {
    client::get(&fake.url_of("/api/ps")).await.unwrap().json()["models"]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn a_prompt_loads_its_model_and_an_empty_one_does_only_that() {
    let fake = FakeOllama::builder()
        .model(FakeModel::new("llama3.2").size(7).vram(5))
        .start()
        .await
        .unwrap();
    assert!(ps(&fake).await.is_empty());
    let load = client::post(&fake.url_of("/api/generate"), &json!({"model": "llama3.2"}))
        .await
        .unwrap();
    assert_eq!(load.header("content-type"), "application/json; charset=utf-8");
    let load = load.json();
    assert_eq!(
        (&load["done"], &load["done_reason"], &load["response"]),
        (&json!(true), &json!("load"), &json!(""))
    );
    let resident = &ps(&fake).await[0];
    assert_eq!(resident["name"], "llama3.2:latest");
    assert_eq!(
        (&resident["size"], &resident["size_vram"]),
        (&json!(7), &json!(5))
    );
    assert_eq!(resident["context_length"], 4096);
    assert!(resident["expires_at"].as_str().unwrap().ends_with("+02:00"));
    assert_eq!(fake.loaded(), ["llama3.2:latest"]);
}

#[tokio::test]
async fn keep_alive_zero_and_no_prompt_unloads() {
    let fake = FakeOllama::builder()
        .loaded_model("llama3.2")
        .start()
        .await
        .unwrap();
    assert_eq!(fake.loaded().len(), 1);
    let unload = json!({"model": "llama3.2", "messages": [], "keep_alive": 0});
    let answer = client::post(&fake.url_of("/api/chat"), &unload)
        .await
        .unwrap()
        .json();
    assert_eq!(answer["done_reason"], "unload");
    assert_eq!(answer["message"], json!({"role": "assistant", "content": ""}));
    assert!(ps(&fake).await.is_empty());
}

#[tokio::test]
async fn keep_alive_zero_with_a_prompt_unloads_after_the_answer() {
    let fake = FakeOllama::builder().model("llama3.2").start().await.unwrap();
    for stream in [true, false] {
        let once = chat(json!({"keep_alive": "0", "stream": stream}));
        assert_eq!(
            client::post(&fake.url_of("/api/chat"), &once)
                .await
                .unwrap()
                .status,
            200
        );
        assert!(fake.loaded().is_empty(), "stream: {stream}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_stays_five_minutes_or_as_long_as_it_was_asked_to() {
    let fake = FakeOllama::builder()
        .model("llama3.2")
        .model("qwen3")
        .start()
        .await
        .unwrap();
    client::post(&fake.url_of("/api/chat"), &chat(json!({})))
        .await
        .unwrap();
    let forever = chat(json!({"model": "qwen3", "keep_alive": -1}));
    client::post(&fake.url_of("/api/chat"), &forever).await.unwrap();
    tokio::time::advance(Duration::from_secs(299)).await;
    assert_eq!(fake.loaded().len(), 2);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(fake.loaded(), ["qwen3:latest"]);
}

#[tokio::test(start_paused = true)]
async fn loading_takes_its_time_once_and_is_told() {
    let fake = FakeOllama::builder()
        .model("llama3.2")
        .load_time(Duration::from_secs(3))
        .start()
        .await
        .unwrap();
    let url = fake.url_of("/api/chat");
    let request = chat(json!({"stream": false}));
    let (one, other) = tokio::join!(client::post(&url, &request), client::post(&url, &request));
    let loads = [one, other].map(|answer| answer.unwrap().json()["load_duration"].as_u64().unwrap());
    assert!(loads.contains(&3_000_000_000), "{loads:?}");
    assert!(loads.contains(&1_000_000), "{loads:?}");
    assert_eq!(fake.loads(), [("llama3.2:latest".to_owned(), 4096)]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_being_loaded_is_listed_and_a_client_that_leaves_aborts_the_load() {
    let fake = FakeOllama::builder()
        .model("llama3.2")
        .load_time(Duration::from_secs(600))
        .start()
        .await
        .unwrap();
    let url = fake.url_of("/api/chat");
    let request = chat(json!({}));
    let client = tokio::spawn(async move { client::post(&url, &request).await });
    fake.until("the load to begin", |fake| fake.in_flight() == 1)
        .await;
    assert_eq!(ps(&fake).await.len(), 1);
    assert!(fake.loaded().is_empty());
    client.abort();
    fake.until("the client to be gone", |fake| fake.in_flight() == 0)
        .await;
    assert!(ps(&fake).await.is_empty());
    assert!(fake.loads().is_empty());
}

#[tokio::test]
async fn another_context_length_loads_the_model_again_and_the_same_does_not() {
    let fake = FakeOllama::builder()
        .model(FakeModel::new("llama3.2").context(8192))
        .start()
        .await
        .unwrap();
    for context in [
        json!({}),
        json!({"num_ctx": 2048}),
        json!({}),
        json!({"num_ctx": 2048}),
        json!({"num_ctx": 99_999}),
    ] {
        client::post(&fake.url_of("/api/chat"), &chat(json!({"options": context})))
            .await
            .unwrap();
    }
    let lengths: Vec<u64> = fake.loads().into_iter().map(|(_, length)| length).collect();
    assert_eq!(lengths, [4096, 2048, 8192]);
}

#[tokio::test]
async fn the_model_that_would_leave_first_makes_room() {
    let fake = FakeOllama::builder()
        .model("a")
        .model("b")
        .model("c")
        .max_loaded(2)
        .start()
        .await
        .unwrap();
    for (model, keep_alive) in [("a", "10m"), ("b", "1m"), ("c", "5m")] {
        let load = json!({"model": model, "keep_alive": keep_alive});
        client::post(&fake.url_of("/api/generate"), &load).await.unwrap();
    }
    assert_eq!(fake.loaded(), ["a:latest", "c:latest"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_for_loads_is_busy() {
    let fake = FakeOllama::builder()
        .model("a")
        .model("b")
        .load_time(Duration::from_secs(600))
        .max_queue(1)
        .start()
        .await
        .unwrap();
    let url = fake.url_of("/api/generate");
    let first = tokio::spawn({
        let url = url.clone();
        async move { client::post(&url, &json!({"model": "a"})).await }
    });
    fake.until("the queue to be full", |fake| fake.in_flight() == 1)
        .await;
    let refused = client::post(&url, &json!({"model": "b"})).await.unwrap();
    assert_eq!(refused.status, 503);
    let why = "server busy, please try again.  maximum pending requests exceeded";
    assert_eq!(refused.json(), json!({ "error": why }));
    first.abort();
}

#[tokio::test(start_paused = true)]
async fn slots_are_taken_until_the_answer_ends() {
    let fake = FakeOllama::builder()
        .loaded_model("llama3.2")
        .parallel(1)
        .token_delay(Duration::from_secs(1))
        .start()
        .await
        .unwrap();
    let (url, request) = (fake.url_of("/api/chat"), chat(json!({})));
    let begun = tokio::time::Instant::now();
    let (one, other) = tokio::join!(client::post(&url, &request), client::post(&url, &request));
    assert_eq!((one.unwrap().status, other.unwrap().status), (200, 200));
    // Four pauses between five tokens, twice, one after the other.
    assert!(begun.elapsed() >= Duration::from_secs(8));
    assert_eq!(fake.peak_in_flight(), 2);
}
