//! The generic OpenAI-compatible server.

use fakes::{Fault, client, openai::FakeOpenai};
use http::Method;
use serde_json::{Value, json};

use crate::{chat, merged};

async fn server() -> FakeOpenai {
    FakeOpenai::builder()
        .model("llama3.2")
        .tokens(["Hel", "lo"])
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_chat_is_answered_whole() {
    let fake = server().await;
    let answer = client::post(&fake.url_of("/v1/chat/completions"), &chat(json!({})))
        .await
        .unwrap();
    assert_eq!(answer.header("content-type"), "application/json");
    let answer = answer.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "Hello");
    assert_eq!(answer["usage"]["total_tokens"], 6);
}

#[tokio::test]
async fn a_stream_opens_with_the_role_alone() {
    let fake = server().await;
    let request = chat(json!({"stream": true}));
    let answer = client::post(&fake.url_of("/v1/chat/completions"), &request)
        .await
        .unwrap();
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let deltas: Vec<Value> = answer
        .events()
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok())
        .map(|event| event["choices"][0]["delta"].clone())
        .collect();
    let opening = json!({"role": "assistant", "content": ""});
    assert_eq!(
        deltas,
        [
            opening,
            json!({"content": "Hel"}),
            json!({"content": "lo"}),
            json!({})
        ]
    );
    assert_eq!(answer.events().last().unwrap(), "[DONE]");
}

#[tokio::test]
async fn an_error_can_follow_a_harmless_first_event() {
    let fake = server().await;
    fake.fail(Fault::ErrorLineAfter(0));
    let request = chat(json!({"stream": true}));
    let events = client::post(&fake.url_of("/v1/chat/completions"), &request)
        .await
        .unwrap()
        .events();
    assert_eq!(events.len(), 2);
    assert!(events[0].contains("assistant"));
    assert!(events[1].starts_with("{\"error\""));
}

#[tokio::test]
async fn the_key_is_asked_for() {
    let fake = FakeOpenai::builder()
        .model("m")
        .key("sesame")
        .start()
        .await
        .unwrap();
    for (authorization, status) in [
        ("", 401),
        ("Bearer wrong", 401),
        ("sesame", 401),
        ("Bearer sesame", 200),
    ] {
        let headers = [("authorization", authorization)];
        let url = fake.url_of("/v1/models");
        let answer = client::send(Method::GET, &url, &headers, "")
            .await
            .unwrap()
            .rest()
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{authorization:?}");
        assert_eq!(answer.json()["error"]["type"].is_string(), status == 401);
    }
    assert_eq!(client::get(&fake.url_of("/health")).await.unwrap().status, 200);
}

#[tokio::test]
async fn the_api_can_lie_elsewhere() {
    let fake = FakeOpenai::builder()
        .model("m")
        .prefix("/openai/v1")
        .start()
        .await
        .unwrap();
    assert!(fake.base_url().ends_with("/openai/v1"));
    let models = client::get(&format!("{}/models", fake.base_url()))
        .await
        .unwrap()
        .json();
    assert_eq!(models["data"][0]["id"], "m");
    assert_eq!(client::get(&fake.url_of("/v1/models")).await.unwrap().status, 404);
}

#[tokio::test]
async fn an_unknown_model_is_not_found() {
    let fake = server().await;
    let answer = client::post(
        &fake.url_of("/v1/chat/completions"),
        &chat(json!({"model": "nope"})),
    )
    .await
    .unwrap();
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["error"]["code"], "model_not_found");
    assert_eq!(
        client::get(&fake.url_of("/v1/models/nope")).await.unwrap().status,
        404
    );
    assert_eq!(
        client::get(&fake.url_of("/v1/models/llama3.2"))
            .await
            .unwrap()
            .json()["id"],
        "llama3.2"
    );
}

#[tokio::test]
async fn both_limits_are_understood() {
    let fake = server().await;
    for limit in [json!({"max_tokens": 1}), json!({"max_completion_tokens": 1})] {
        let request = merged(chat(json!({})), limit);
        let answer = client::post(&fake.url_of("/v1/chat/completions"), &request)
            .await
            .unwrap()
            .json();
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
    }
}

#[tokio::test]
async fn busy_has_this_dialect_s_form() {
    let fake = server().await;
    fake.fail(Fault::BusyRetryAfter(2));
    let answer = client::post(&fake.url_of("/v1/chat/completions"), &chat(json!({})))
        .await
        .unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, "2"));
    assert_eq!(answer.json()["error"]["type"], "server_error");
}

#[tokio::test]
async fn embeddings_have_the_dimensions_asked_for() {
    let fake = server().await;
    let request = json!({"model": "llama3.2", "input": ["a", "b"], "dimensions": 3});
    let answer = client::post(&fake.url_of("/v1/embeddings"), &request)
        .await
        .unwrap()
        .json();
    let lengths: Vec<usize> = answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["embedding"].as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [3, 3]);
}
