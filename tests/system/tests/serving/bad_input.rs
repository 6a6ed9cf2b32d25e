//! Bad input through the whole system: a clear error in the dialect of the route, and nobody else harmed.

use fakes::client;
use fakes::ollama::FakeOllama;
use http::Method;
use serde_json::{Value, json};
use system::host::{Host, fleet};

async fn served() -> (FakeOllama, Host) {
    let server = FakeOllama::builder()
        .loaded_model("llama3.2")
        .start()
        .await
        .unwrap();
    let host = fleet(&[server.url()], "").start().await;
    host.until_routable(1).await;
    (server, host)
}

async fn sent(host: &Host, path: &str, body: impl Into<bytes::Bytes>) -> client::Answer {
    let (url, headers) = (host.url_of(path), [("content-type", "application/json")]);
    let answer = client::send(Method::POST, &url, &headers, body);
    answer.await.unwrap().rest().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dialect_tells_mistakes_in_its_own_form() {
    let (server, host) = served().await;
    let deep = format!("{{\"model\":\"llama3.2\",\"messages\":{}", "[".repeat(200_000));
    let bodies: [&[u8]; 6] = [b"", b"{", b"[]", b"{\"model\":7}", b"\xff\xfe{}", deep.as_bytes()];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let native = sent(&host, "/api/chat", body.to_vec()).await;
        assert_eq!(native.status, 400, "{shown}: {}", native.text());
        assert!(native.json()["error"].is_string(), "{shown}: {}", native.text());
        let other = sent(&host, "/v1/chat/completions", body.to_vec()).await;
        assert_eq!(other.status, 400, "{shown}: {}", other.text());
        assert_eq!(other.json()["error"]["type"], "invalid_request_error", "{shown}");
        let rpc = sent(&host, "/rpc", body.to_vec()).await.json();
        assert!(rpc["error"]["code"].is_i64(), "{shown}: {rpc}");
    }
    assert!(
        server.requests_to("/api/chat").is_empty(),
        "none of it reached a server"
    );
    assert_eq!(host.in_flight().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_methods_and_wrong_parameters_are_told_exactly() {
    let (_server, host) = served().await;
    let unknown = host.rpc("llm/chta", json!({})).await;
    assert_eq!(unknown["error"]["code"], -32601);
    assert!(
        unknown.to_string().contains("llm/chat"),
        "the nearest is offered: {unknown}"
    );
    let wrong = host
        .rpc(
            "llm/chat",
            json!({ "messages": "hi", "temperature": 7, "tmp": 1 }),
        )
        .await;
    assert_eq!(wrong["error"]["code"], -32602);
    for word in ["messages", "temperature", "tmp"] {
        assert!(
            wrong["error"]["message"].as_str().unwrap().contains(word),
            "all mistakes at once: {wrong}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_100_megabytes_is_refused_and_others_are_served() {
    let (_server, host) = served().await;
    let url = host.url_of("/api/chat");
    let big = tokio::spawn(async move {
        // The host may well close the connection while we are still sending.
        match client::send(Method::POST, &url, &[], vec![b' '; 100 << 20]).await {
            Ok(answer) => answer.status,
            Err(_) => 413,
        }
    });
    for _ in 0..10 {
        let body = json!({ "model": "llama3.2", "prompt": "hi", "stream": false });
        assert_eq!(host.post("/api/generate", &body).await.status, 200);
    }
    assert_eq!(big.await.unwrap(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_methods_and_paths_are_told_as_such() {
    let (_server, host) = served().await;
    assert_eq!(host.get("/api/chat").await.status, 405);
    assert_eq!(host.get("/no/such/path").await.status, 404);
    let root = host.get("/").await;
    assert_eq!((root.status, root.text().as_str()), (200, "Ollama is running"));
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_notifications_and_null_results_follow_the_specification() {
    let (_server, host) = served().await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "llm/list_models" },
        { "jsonrpc": "2.0", "method": "llm/list_models" },
        { "jsonrpc": "2.0", "id": "x", "method": "none" },
        7,
    ]);
    let answers = host.post("/rpc", &batch).await.json();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 3, "a notification has no answer");
    assert!(
        answers
            .iter()
            .any(|answer| answer["id"] == 1 && answer["result"]["models"].is_array())
    );
    assert!(
        answers
            .iter()
            .any(|answer| answer["id"] == "x" && answer["error"]["code"] == -32601)
    );
    assert!(
        answers
            .iter()
            .any(|answer| answer["id"] == Value::Null && answer["error"]["code"] == -32600)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_four_megabytes_are_refused_in_few_words() {
    let (server, host) = served().await;
    let name = "m".repeat(4 << 20);
    let bodies = [
        ("/api/chat", json!({ "model": name, "messages": [] })),
        ("/api/show", json!({ "model": name })),
        ("/v1/chat/completions", json!({ "model": name, "messages": [] })),
        (
            "/rpc",
            json!({ "jsonrpc": "2.0", "id": 1, "method": name, "params": {} }),
        ),
        (
            "/rpc",
            json!({ "jsonrpc": "2.0", "id": 1, "method": "llm/chat", "params": { "model": name } }),
        ),
        (
            "/rpc",
            json!({ "jsonrpc": "2.0", "id": 1, "method": "manager/drain", "params": { "hub": name, "instance": name } }),
        ),
    ];
    for (path, body) in bodies {
        let answer = sent(&host, path, body.to_string()).await;
        assert!(answer.status < 500, "{path}: {}", answer.status);
        assert!(answer.json().get("error").is_some(), "{path}");
        assert!(
            answer.text().len() < 8192,
            "{path}: {} bytes",
            answer.text().len()
        );
    }
    assert!(server.requests_to("/api/chat").is_empty());
    assert_eq!(host.in_flight().await, 0);
}
