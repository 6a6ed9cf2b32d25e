//! Failing on command.

use std::{io, time::Duration};

use fakes::{Ending, Fault, client, ollama::FakeOllama};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{chat, greeter};

/// Longer than anything that works takes; with the clock paused it costs nothing.
const A_WHILE: Duration = Duration::from_secs(3600);

async fn post(fake: &FakeOllama, body: serde_json::Value) -> io::Result<client::Answer> {
    client::post(&fake.url_of("/api/chat"), &body).await
}

#[tokio::test]
async fn refusing_closes_the_port_until_healed() {
    let fake = greeter().await;
    fake.fail(Fault::Refuse);
    let refused = TcpStream::connect(fake.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    fake.heal().unwrap();
    assert_eq!(post(&fake, chat(json!({}))).await.unwrap().status, 200);
}

#[tokio::test]
async fn refusing_one_path_resets_its_connections_before_any_byte() {
    let fake = greeter().await;
    fake.fail_on("/api/chat", Fault::Refuse);
    assert!(post(&fake, chat(json!({}))).await.is_err());
    assert_eq!(fake.requests()[0].ending, Ending::Failed);
    assert_eq!(client::get(&fake.url_of("/api/tags")).await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn hanging_before_the_headers_sends_nothing() {
    let fake = greeter().await;
    fake.fail(Fault::HangBeforeHeaders);
    assert!(
        timeout(
            A_WHILE,
            client::stream(&fake.url_of("/api/chat"), &chat(json!({})))
        )
        .await
        .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn hanging_after_the_headers_sends_those() {
    let fake = greeter().await;
    fake.fail(Fault::HangAfterHeaders);
    for stream in [true, false] {
        let mut answer = client::stream(&fake.url_of("/api/chat"), &chat(json!({"stream": stream})))
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
        assert!(timeout(A_WHILE, answer.next()).await.is_err(), "stream: {stream}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_byte_is_right_in_the_end() {
    let fake = greeter().await;
    fake.fail(Fault::SlowFirstByte(Duration::from_secs(30)));
    let begun = tokio::time::Instant::now();
    let answer = post(&fake, chat(json!({}))).await.unwrap();
    assert_eq!(answer.lines().len(), 3);
    assert!(begun.elapsed() >= Duration::from_secs(30));
}

#[tokio::test]
async fn errors_have_the_words_and_form_of_the_route() {
    let fake = greeter().await;
    let busy = "server busy, please try again.  maximum pending requests exceeded";
    fake.fail(Fault::Busy);
    let answer = post(&fake, chat(json!({}))).await.unwrap();
    assert_eq!((answer.status, answer.json()), (503, json!({ "error": busy })));
    assert_eq!(answer.header("retry-after"), "");

    fake.fail(Fault::BusyRetryAfter(7));
    let answer = client::post(&fake.url_of("/v1/chat/completions"), &chat(json!({})))
        .await
        .unwrap();
    let error = json!({"error": {"message": busy, "type": "api_error", "param": null, "code": null}});
    assert_eq!((answer.status, answer.json()), (503, error));
    assert_eq!(answer.header("retry-after"), "7");

    fake.fail(Fault::TooManyRequests(3));
    let answer = post(&fake, chat(json!({}))).await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (429, "3"));

    fake.fail(Fault::Error500);
    assert_eq!(post(&fake, chat(json!({}))).await.unwrap().status, 500);

    fake.fail(Fault::Status {
        code: 418,
        body: "short and stout".to_owned(),
    });
    let answer = post(&fake, chat(json!({}))).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (418, "short and stout"));
}

#[tokio::test]
async fn garbage_is_not_http() {
    let fake = greeter().await;
    fake.fail(Fault::Garbage);
    let mut socket = TcpStream::connect(fake.addr()).await.unwrap();
    socket
        .write_all(b"GET /api/tags HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut heard = Vec::new();
    socket.read_to_end(&mut heard).await.unwrap();
    assert!(!heard.is_empty());
    assert!(!heard.starts_with(b"HTTP/"));
    assert!(post(&fake, chat(json!({}))).await.is_err());
}

#[tokio::test]
async fn invalid_json_is_whole_http() {
    let fake = greeter().await;
    fake.fail(Fault::InvalidJson);
    for stream in [true, false] {
        let answer = post(&fake, chat(json!({"stream": stream}))).await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(!answer.body.is_empty());
        assert!(answer.json().is_null(), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_cut_comes_after_so_many_tokens_in_the_middle_of_the_body() {
    let fake = greeter().await;
    fake.fail(Fault::CutAfter(1));
    let mut stream = client::stream(&fake.url_of("/api/chat"), &chat(json!({})))
        .await
        .unwrap();
    let token = stream.next().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&token).contains("Hel"));
    assert!(stream.next().await.is_err());
    assert_eq!(fake.requests()[0].ending, Ending::Failed);
    assert!(post(&fake, chat(json!({"stream": false}))).await.is_err());
}

#[tokio::test]
async fn an_early_end_is_clean_http_without_the_last_line() {
    let fake = greeter().await;
    fake.fail(Fault::EndAfter(1));
    let lines = post(&fake, chat(json!({}))).await.unwrap().lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["done"], false);
}

#[tokio::test(start_paused = true)]
async fn a_stall_keeps_the_connection() {
    let fake = greeter().await;
    fake.fail(Fault::StallAfter(1));
    let mut stream = client::stream(&fake.url_of("/api/chat"), &chat(json!({})))
        .await
        .unwrap();
    assert!(stream.next().await.unwrap().is_some());
    assert!(timeout(A_WHILE, stream.next()).await.is_err());
    assert_eq!(fake.in_flight(), 1);
}

#[tokio::test]
async fn an_error_line_ends_a_stream_and_is_a_500_where_there_is_none() {
    let fake = greeter().await;
    fake.fail(Fault::ErrorLineAfter(1));
    let answer = post(&fake, chat(json!({}))).await.unwrap();
    assert_eq!(answer.status, 200);
    let lines = answer.lines();
    assert_eq!(lines.len(), 2);
    assert!(lines[1]["error"].is_string());
    assert_eq!(
        post(&fake, chat(json!({"stream": false}))).await.unwrap().status,
        500
    );
}

#[tokio::test]
async fn on_ollama_s_openai_surface_the_error_line_is_lost() {
    let fake = greeter().await;
    fake.fail(Fault::ErrorLineAfter(1));
    let request = chat(json!({"stream": true}));
    let answer = client::post(&fake.url_of("/v1/chat/completions"), &request)
        .await
        .unwrap();
    let events = answer.events();
    assert_eq!(events.len(), 2);
    assert!(events[1].contains(r#""content":"""#));
    assert!(!answer.text().contains("[DONE]"));
}

#[tokio::test]
async fn a_huge_line_is_valid_and_longer_than_eight_megabytes() {
    let fake = greeter().await;
    fake.fail(Fault::HugeLine);
    let answer = post(&fake, chat(json!({}))).await.unwrap();
    let text = answer.text();
    assert!(text.lines().next().unwrap().len() > 8 * 1024 * 1024);
    assert_eq!(answer.lines().last().unwrap()["done"], true);
}

#[tokio::test]
async fn the_next_requests_fail_and_then_no_more() {
    let fake = greeter().await;
    fake.fail_next(2, Fault::Busy);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(post(&fake, chat(json!({}))).await.unwrap().status);
    }
    assert_eq!(statuses, [503, 503, 200]);
}

#[tokio::test]
async fn probes_can_be_spared() {
    let fake = greeter().await;
    fake.spare_probes(true);
    fake.fail(Fault::Refuse);
    for path in ["/api/version", "/api/tags", "/api/ps"] {
        assert_eq!(client::get(&fake.url_of(path)).await.unwrap().status, 200);
    }
    assert!(post(&fake, chat(json!({}))).await.is_err());
}
