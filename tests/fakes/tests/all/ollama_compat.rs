//! The OpenAI surface of the fake Ollama.

use fakes::{client, ollama::FakeOllama};
use http::Method;
use serde_json::{Value, json};

use crate::{chat, embedder, greeter, merged};

fn events(answer: &client::Answer) -> Vec<Value> {
    answer
        .events()
        .iter()
        .filter_map(|event| serde_json::from_str(event).ok())
        .collect()
}

#[tokio::test]
async fn a_chat_is_whole_unless_a_stream_is_asked_for() {
    let fake = greeter().await;
    let answer = client::post(&fake.url_of("/v1/chat/completions"), &chat(json!({})))
        .await
        .unwrap();
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    let answer = answer.json();
    assert!(answer["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["system_fingerprint"], "fp_ollama");
    assert_eq!(
        answer["choices"][0]["message"],
        json!({"role": "assistant", "content": "Hello"})
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        answer["usage"],
        json!({"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6})
    );
}

#[tokio::test]
async fn a_stream_is_events_with_the_role_first_and_done_last() {
    let fake = greeter().await;
    let request = chat(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let answer = client::post(&fake.url_of("/v1/chat/completions"), &request)
        .await
        .unwrap();
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.events().last().unwrap(), "[DONE]");
    let events = events(&answer);
    assert_eq!(
        events[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": "Hel"})
    );
    assert_eq!(events[1]["choices"][0]["delta"], json!({"content": "lo"}));
    assert_eq!(
        events[2]["choices"][0],
        json!({"index": 0, "delta": {}, "finish_reason": "stop"})
    );
    assert_eq!(events[3]["choices"], json!([]));
    assert_eq!(events[3]["usage"]["total_tokens"], 6);
    assert!(
        events
            .iter()
            .all(|event| event["created"] == events[0]["created"])
    );
}

#[tokio::test]
async fn text_is_completed_and_max_tokens_cuts_it_short() {
    let fake = greeter().await;
    let request = json!({"model": "llama3.2", "prompt": "why?", "max_tokens": 1});
    let answer = client::post(&fake.url_of("/v1/completions"), &request)
        .await
        .unwrap()
        .json();
    assert_eq!(answer["object"], "text_completion");
    assert_eq!(
        answer["choices"],
        json!([{"index": 0, "text": "Hel", "finish_reason": "length"}])
    );
    let streamed = merged(request, json!({"stream": true}));
    let answer = client::post(&fake.url_of("/v1/completions"), &streamed)
        .await
        .unwrap();
    assert_eq!(events(&answer)[0]["choices"][0]["text"], "Hel");
}

#[tokio::test]
async fn a_tool_call_has_its_arguments_as_a_string() {
    let fake = FakeOllama::builder()
        .model("llama3.2")
        .calling_tool("weather", json!({"city": "Ulm"}))
        .start()
        .await
        .unwrap();
    let request = chat(json!({"tools": [{"type": "function", "function": {"name": "weather"}}]}));
    let choice = client::post(&fake.url_of("/v1/chat/completions"), &request)
        .await
        .unwrap()
        .json()["choices"][0]
        .clone();
    assert_eq!(
        choice["message"]["tool_calls"][0]["function"]["arguments"],
        r#"{"city":"Ulm"}"#
    );
    assert_eq!(choice["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn embeddings_come_as_floats_or_as_base64() {
    let fake = FakeOllama::builder().model(embedder()).start().await.unwrap();
    let request = json!({"model": "nomic-embed-text", "input": "sky", "dimensions": 4});
    let url = fake.url_of("/v1/embeddings");
    let answer = client::post(&url, &request).await.unwrap().json();
    assert_eq!(answer["data"][0]["embedding"].as_array().unwrap().len(), 4);
    assert_eq!(answer["data"][0]["object"], "embedding");
    let packed = client::post(&url, &merged(request, json!({"encoding_format": "base64"})))
        .await
        .unwrap()
        .json();
    // Sixteen bytes.
    assert_eq!(packed["data"][0]["embedding"].as_str().unwrap().len(), 24);
}

#[tokio::test]
async fn models_are_listed_and_a_list_of_none_is_null() {
    let empty = FakeOllama::builder().start().await.unwrap();
    let list = client::get(&empty.url_of("/v1/models")).await.unwrap().json();
    assert_eq!(list, json!({"object": "list", "data": null}));

    let fake = greeter().await;
    let list = client::get(&fake.url_of("/v1/models")).await.unwrap().json();
    assert_eq!(list["data"][0]["id"], "llama3.2:latest");
    assert_eq!(list["data"][0]["owned_by"], "library");
    let one = client::get(&fake.url_of("/v1/models/llama3.2:latest"))
        .await
        .unwrap()
        .json();
    assert_eq!(one, list["data"][0]);
}

#[tokio::test]
async fn errors_have_this_dialect_s_form() {
    let fake = greeter().await;
    for (path, body, status, kind, why) in [
        ("/v1/chat/completions", "", 400, "invalid_request_error", "EOF"),
        (
            "/v1/chat/completions",
            r#"{"model":"llama3.2"}"#,
            400,
            "invalid_request_error",
            "[] is too short - 'messages'",
        ),
        (
            "/v1/completions",
            r#"{"model":"nope"}"#,
            404,
            "not_found_error",
            "model 'nope' not found",
        ),
        (
            "/v1/embeddings",
            r#"{"model":"llama3.2"}"#,
            400,
            "invalid_request_error",
            "invalid input",
        ),
    ] {
        let answer = client::send(Method::POST, &fake.url_of(path), &[], body)
            .await
            .unwrap()
            .rest()
            .await
            .unwrap();
        let error = json!({"error": {"message": why, "type": kind, "param": null, "code": null}});
        assert_eq!((answer.status, answer.json()), (status, error), "{path} {body}");
    }
    let lost = client::get(&fake.url_of("/v1/models/nope")).await.unwrap();
    assert_eq!(
        (lost.status, &lost.json()["error"]["type"]),
        (404, &json!("not_found_error"))
    );
}
