//! `/api/generate`, `/api/chat`, `/api/embed`, and what is said of anything else.

use fakes::{
    client,
    ollama::{FakeModel, FakeOllama},
};
use http::Method;
use serde_json::{Value, json};

use crate::{chat, embedder, greeter};

#[tokio::test]
async fn a_chat_streams_lines_unless_told_not_to() {
    let fake = greeter().await;
    let answer = client::post(&fake.url_of("/api/chat"), &chat(json!({})))
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert_eq!(answer.header("transfer-encoding"), "chunked");
    let lines = answer.lines();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[0]["message"],
        json!({"role": "assistant", "content": "Hel"})
    );
    assert_eq!(lines[0]["done"], false);
    assert_eq!(lines[1]["message"]["content"], "lo");
    assert_eq!(lines[2]["message"]["content"], "");
    assert_eq!(lines[2]["done"], true);
    assert_eq!(lines[2]["done_reason"], "stop");
    assert_eq!(lines[2]["eval_count"], 2);
    assert_eq!(lines[2]["prompt_eval_count"], 4);
    assert!(lines[2]["load_duration"].as_u64().unwrap() > 0);
    assert!(lines[2]["total_duration"].as_u64().unwrap() > 0);

    let answer = client::post(&fake.url_of("/api/chat"), &chat(json!({"stream": false})))
        .await
        .unwrap();
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(
        answer.json()["message"],
        json!({"role": "assistant", "content": "Hello"})
    );
    assert_eq!(answer.json()["done"], true);
}

#[tokio::test]
async fn every_line_is_sent_as_it_is_made() {
    let fake = greeter().await;
    let mut stream = client::stream(&fake.url_of("/api/chat"), &chat(json!({})))
        .await
        .unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = stream.next().await.unwrap() {
        pieces.push(piece);
    }
    assert_eq!(pieces.len(), 3);
    assert!(pieces.iter().all(|piece| piece.ends_with(b"\n")));
}

#[tokio::test]
async fn generate_has_its_text_elsewhere_and_a_context() {
    let fake = greeter().await;
    let prompt = json!({"model": "llama3.2", "prompt": "why?"});
    let lines = client::post(&fake.url_of("/api/generate"), &prompt)
        .await
        .unwrap()
        .lines();
    assert_eq!(lines[0]["response"], "Hel");
    assert_eq!(lines[2]["response"], "");
    assert!(lines[2]["context"].is_array());

    let raw = json!({"model": "llama3.2", "prompt": "why?", "raw": true, "stream": false});
    let whole = client::post(&fake.url_of("/api/generate"), &raw)
        .await
        .unwrap()
        .json();
    assert_eq!(whole["response"], "Hello");
    assert_eq!(whole.get("context"), None);
}

#[tokio::test]
async fn a_limit_ends_the_answer_for_its_length() {
    let fake = greeter().await;
    let limited = chat(json!({"options": {"num_predict": 1}, "stream": false}));
    let answer = client::post(&fake.url_of("/api/chat"), &limited)
        .await
        .unwrap()
        .json();
    assert_eq!(answer["message"]["content"], "Hel");
    assert_eq!(answer["done_reason"], "length");
}

#[tokio::test]
async fn the_reply_names_the_model_as_it_was_asked_for() {
    let fake = greeter().await;
    for name in [
        "llama3.2",
        "llama3.2:latest",
        "LLAMA3.2",
        "library/llama3.2",
        "registry.ollama.ai/library/llama3.2",
    ] {
        let answer = client::post(
            &fake.url_of("/api/chat"),
            &chat(json!({"model": name, "stream": false})),
        )
        .await;
        assert_eq!(answer.unwrap().json()["model"], name);
    }
}

#[tokio::test]
async fn a_thinking_model_thinks_first_unless_told_not_to() {
    let fake = FakeOllama::builder()
        .model(FakeModel::new("qwen3").thinking())
        .model("llama3.2")
        .start()
        .await
        .unwrap();
    let url = fake.url_of("/api/chat");
    let thinking = chat(json!({"model": "qwen3", "stream": false}));
    let answer = client::post(&url, &thinking).await.unwrap().json();
    assert_eq!(answer["message"]["thinking"], "Let me think.");

    let first = client::post(&url, &chat(json!({"model": "qwen3"})))
        .await
        .unwrap()
        .lines()
        .remove(0);
    assert_eq!(
        first["message"],
        json!({"role": "assistant", "content": "", "thinking": "Let"})
    );

    let quiet = chat(json!({"model": "qwen3", "think": false, "stream": false}));
    assert_eq!(
        client::post(&url, &quiet).await.unwrap().json()["message"].get("thinking"),
        None
    );

    let refused = client::post(&url, &chat(json!({"think": true}))).await.unwrap();
    assert_eq!(
        (refused.status, refused.json()),
        (400, json!({"error": "\"llama3.2\" does not support thinking"}))
    );
}

#[tokio::test]
async fn a_tool_call_comes_whole_with_its_arguments_as_an_object() {
    let fake = FakeOllama::builder()
        .model("llama3.2")
        .model(FakeModel::new("gemma").without_tools())
        .calling_tool("weather", json!({"city": "Ulm"}))
        .start()
        .await
        .unwrap();
    let tools =
        json!([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]);
    let lines = client::post(&fake.url_of("/api/chat"), &chat(json!({"tools": tools})))
        .await
        .unwrap()
        .lines();
    let call = &lines[0]["message"]["tool_calls"][0]["function"];
    assert_eq!(
        *call,
        json!({"index": 0, "name": "weather", "arguments": {"city": "Ulm"}})
    );
    assert_eq!(lines.len(), 2);

    let refused = client::post(
        &fake.url_of("/api/chat"),
        &chat(json!({"model": "gemma", "tools": tools})),
    )
    .await;
    let why = refused.unwrap().json()["error"].clone();
    assert_eq!(
        why,
        "registry.ollama.ai/library/gemma:latest does not support tools"
    );
}

#[tokio::test]
async fn embeddings_are_of_length_one_and_the_same_everywhere() {
    let one = FakeOllama::builder().model(embedder()).start().await.unwrap();
    let other = FakeOllama::builder().model(embedder()).start().await.unwrap();
    let request = json!({"model": "nomic-embed-text", "input": ["sky", "sea"]});
    let vectors = client::post(&one.url_of("/api/embed"), &request)
        .await
        .unwrap()
        .json();
    assert_eq!(vectors["embeddings"][0].as_array().unwrap().len(), 8);
    for vector in vectors["embeddings"].as_array().unwrap() {
        let length: f64 = vector
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap().powi(2))
            .sum();
        assert!((length - 1.0).abs() < 1e-5, "length squared is {length}");
    }
    let again = client::post(&other.url_of("/api/embed"), &request)
        .await
        .unwrap()
        .json();
    assert_eq!(vectors["embeddings"], again["embeddings"]);
    assert_eq!(vectors["prompt_eval_count"], 2);

    let old = json!({"model": "nomic-embed-text", "prompt": "sky"});
    let vector = client::post(&one.url_of("/api/embeddings"), &old)
        .await
        .unwrap()
        .json();
    assert_eq!(vector["embedding"], vectors["embeddings"][0]);
}

#[tokio::test]
async fn mistakes_are_told_in_the_server_s_words() {
    let fake = FakeOllama::builder()
        .model("llama3.2")
        .model(embedder())
        .start()
        .await
        .unwrap();
    for (path, body, status, why) in [
        ("/api/chat", "", 400, "missing request body"),
        ("/api/chat", "{", 400, "unexpected EOF"),
        ("/api/chat", "{}", 400, "model is required"),
        ("/api/generate", "{}", 404, "model '' not found"),
        ("/api/embed", "{}", 404, "model '' not found"),
        ("/api/chat", r#"{"model":"a b"}"#, 400, "invalid model name"),
        ("/api/chat", r#"{"model":"nope"}"#, 404, "model 'nope' not found"),
        (
            "/api/generate",
            r#"{"model":"nope"}"#,
            404,
            "model 'nope' not found",
        ),
        ("/api/show", r#"{"model":"nope"}"#, 404, "model 'nope' not found"),
        (
            "/api/embed",
            r#"{"model":"nope","input":"x"}"#,
            404,
            "model \"nope\" not found, try pulling it first",
        ),
        (
            "/api/embeddings",
            r#"{"model":"nope"}"#,
            404,
            "model \"nope\" not found, try pulling it first",
        ),
        (
            "/api/copy",
            r#"{"source":"nope","destination":"x"}"#,
            404,
            "model \"nope\" not found",
        ),
        (
            "/api/embed",
            r#"{"model":"nomic-embed-text","input":[1]}"#,
            400,
            "invalid input type",
        ),
        (
            "/api/chat",
            r#"{"model":"llama3.2","keep_alive":true}"#,
            400,
            "Unsupported type: 'bool'",
        ),
        (
            "/api/chat",
            r#"{"model":"llama3.2","top_logprobs":21}"#,
            400,
            "top_logprobs must be between 0 and 20",
        ),
        (
            "/api/chat",
            r#"{"model":"nomic-embed-text"}"#,
            400,
            "\"nomic-embed-text\" does not support chat",
        ),
        (
            "/api/generate",
            r#"{"model":"nomic-embed-text"}"#,
            400,
            "\"nomic-embed-text\" does not support generate",
        ),
        (
            "/api/generate",
            r#"{"model":"llama3.2","raw":true,"system":"x"}"#,
            400,
            "raw mode does not support template, system, or context",
        ),
        (
            "/api/chat",
            r#"{"model":"llama3.2","options":{"num_ctx":"x"}}"#,
            500,
            "option \"num_ctx\" must be of type integer",
        ),
    ] {
        let answer = client::send(Method::POST, &fake.url_of(path), &[], body)
            .await
            .unwrap()
            .rest()
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.json()),
            (status, json!({ "error": why })),
            "{path} {body}"
        );
        assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    }
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_refused_in_plain_text() {
    let fake = greeter().await;
    let lost = client::get(&fake.url_of("/metrics")).await.unwrap();
    assert_eq!((lost.status, lost.text().as_str()), (404, "404 page not found"));
    assert_eq!(lost.header("content-type"), "text/plain");

    let wrong = client::get(&fake.url_of("/api/chat")).await.unwrap();
    assert_eq!(wrong.status, 405);
    assert_eq!(wrong.header("content-type"), "text/plain");
    assert_eq!(wrong.header("allow"), "POST");
    assert_eq!(wrong.json(), Value::Null);
}

#[tokio::test]
async fn the_host_is_checked_when_asked() {
    let fake = FakeOllama::builder().checking_host().start().await.unwrap();
    for (host, status) in [
        ("localhost:11434", 200),
        ("127.0.0.1", 200),
        ("box.local", 200),
        ("evil.example", 403),
    ] {
        let url = fake.url_of("/api/version");
        let answer = client::send(Method::GET, &url, &[("host", host)], "")
            .await
            .unwrap()
            .rest()
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{host}");
        assert_eq!(answer.body.is_empty(), status == 403, "{host}");
    }
}
