//! The back end for benchmarks, and the process that carries it.

use std::process::Stdio;

use fakes::{
    bench::{ANSWER_BYTES, BenchServer},
    client,
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::chat;

#[tokio::test]
async fn answers_are_of_one_size_in_both_dialects() {
    let bench = BenchServer::builder().threads(2).start().unwrap();
    for path in ["/api/chat", "/v1/chat/completions"] {
        let url = format!("{}{path}", bench.url());
        let answer = client::post(&url, &chat(json!({"stream": false}))).await.unwrap();
        assert_eq!(answer.body.len(), ANSWER_BYTES, "{path}");
        assert!(answer.json().is_object());
    }
}

#[tokio::test]
async fn streams_have_so_many_tokens_and_an_end() {
    let bench = BenchServer::builder().chunks(7).start().unwrap();
    let url = |path| format!("{}{path}", bench.url());
    let lines = client::post(&url("/api/chat"), &chat(json!({"stream": true})))
        .await
        .unwrap()
        .lines();
    assert_eq!(lines.len(), 8);
    assert_eq!(lines[7]["done"], true);
    let answer = client::post(&url("/v1/chat/completions"), &chat(json!({"stream": true})))
        .await
        .unwrap();
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.events().len(), 9);
    assert_eq!(answer.events()[8], "[DONE]");
}

#[tokio::test]
async fn chunks_are_sent_one_by_one() {
    let bench = BenchServer::builder().chunks(5).start().unwrap();
    let url = format!("{}/api/chat", bench.url());
    let mut stream = client::stream(&url, &chat(json!({"stream": true})))
        .await
        .unwrap();
    let mut pieces = 0;
    while stream.next().await.unwrap().is_some() {
        pieces += 1;
    }
    assert_eq!(pieces, 6);
}

#[tokio::test]
async fn health_checks_pass() {
    let bench = BenchServer::builder().start().unwrap();
    for path in [
        "/",
        "/health",
        "/api/version",
        "/api/tags",
        "/api/ps",
        "/v1/models",
    ] {
        assert_eq!(
            client::get(&format!("{}{path}", bench.url()))
                .await
                .unwrap()
                .status,
            200,
            "{path}"
        );
    }
    assert_eq!(
        client::get(&format!("{}/nope", bench.url()))
            .await
            .unwrap()
            .status,
        404
    );
}

#[tokio::test]
async fn every_kind_runs_as_a_process_and_says_where() {
    for kind in ["ollama", "openai", "bench"] {
        let mut process = Command::new(env!("CARGO_BIN_EXE_fake-server"))
            .arg(kind)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let url = line.strip_prefix("listening on ").unwrap();
        let models = client::get(&format!("{url}/v1/models")).await.unwrap().json();
        assert_eq!(models["object"], "list", "{kind}");
    }
}
