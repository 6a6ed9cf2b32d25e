//! Listening, being killed, coming back, and what is written down meanwhile.

use std::{io, time::Duration};

use fakes::{Ending, Fault, client, ollama::FakeOllama};
use serde_json::json;
use tokio::net::TcpStream;

use crate::{chat, greeter};

/// A server that says a thousand words, one a second.
async fn slow_talker() -> FakeOllama {
    let tokens = (0..1000).map(|i| format!("{i} "));
    let delay = Duration::from_secs(1);
    FakeOllama::builder()
        .loaded_model("llama3.2")
        .tokens(tokens)
        .token_delay(delay)
        .start()
        .await
        .unwrap()
}

async fn refused(fake: &FakeOllama) -> bool {
    TcpStream::connect(fake.addr())
        .await
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[tokio::test]
async fn requests_are_written_down_as_they_came() {
    let fake = greeter().await;
    let headers = [("x-request-id", "7"), ("content-type", "application/json")];
    let body = chat(json!({})).to_string();
    let answer = client::send(
        http::Method::POST,
        &fake.url_of("/api/chat?x=1"),
        &headers,
        body.clone(),
    )
    .await
    .unwrap();
    answer.rest().await.unwrap();
    let heard = fake.requests_to("/api/chat").remove(0);
    assert_eq!(heard.method, http::Method::POST);
    assert_eq!(heard.query.as_deref(), Some("x=1"));
    assert_eq!(heard.header("X-Request-Id"), "7");
    assert_eq!(heard.body, body);
    assert_eq!(heard.json()["model"], "llama3.2");
    assert_eq!(heard.ending, Ending::Complete);
    assert_eq!((fake.in_flight(), fake.peak_in_flight()), (0, 1));
    fake.forget_requests();
    assert!(fake.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_in_the_middle_is_noticed() {
    let fake = slow_talker().await;
    let mut stream = client::stream(&fake.url_of("/api/chat"), &chat(json!({})))
        .await
        .unwrap();
    stream.next().await.unwrap();
    assert_eq!(fake.in_flight(), 1);
    assert_eq!(fake.requests()[0].ending, Ending::Open);
    drop(stream);
    fake.until("the client to be missed", |fake| fake.in_flight() == 0)
        .await;
    assert!(fake.requests()[0].disconnected());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_before_the_headers_is_noticed() {
    let fake = greeter().await;
    fake.fail(Fault::HangBeforeHeaders);
    let (url, request) = (fake.url_of("/api/chat"), chat(json!({})));
    let client = tokio::spawn(async move { client::post(&url, &request).await });
    fake.until("the request to arrive", |fake| fake.in_flight() == 1)
        .await;
    client.abort();
    fake.until("the client to be missed", |fake| fake.in_flight() == 0)
        .await;
    assert!(fake.requests()[0].disconnected());
}

#[tokio::test(start_paused = true)]
async fn killing_it_cuts_streams_and_refuses_connections_until_it_is_revived() {
    let fake = slow_talker().await;
    let url = fake.url_of("/api/chat");
    let mut stream = client::stream(&url, &chat(json!({}))).await.unwrap();
    stream.next().await.unwrap();

    fake.kill().await;
    assert!(stream.rest().await.is_err());
    assert!(refused(&fake).await);
    assert_eq!((fake.in_flight(), fake.connections()), (0, 0));
    assert_eq!(fake.requests()[0].ending, Ending::Failed);

    fake.revive().await.unwrap();
    assert!(fake.loaded().is_empty(), "what was in memory is gone");
    assert_eq!(
        client::get(&fake.url_of("/api/tags")).await.unwrap().json()["models"][0]["name"],
        "llama3.2:latest"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_it_ends_every_stream_of_many_with_an_error() {
    let fake = slow_talker().await;
    let (url, request) = (fake.url_of("/api/chat"), chat(json!({})));
    let mut clients = Vec::new();
    for _ in 0..32 {
        let (url, request) = (url.clone(), request.clone());
        clients.push(tokio::spawn(async move { client::post(&url, &request).await }));
    }
    fake.until("all to be streaming", |fake| fake.in_flight() == 32)
        .await;
    fake.kill().await;
    for client in clients {
        assert!(client.await.unwrap().is_err());
    }
    assert_eq!((fake.in_flight(), fake.peak_in_flight()), (0, 32));
    assert!(
        fake.requests()
            .iter()
            .all(|request| request.ending == Ending::Failed)
    );
}

#[tokio::test]
async fn it_can_die_and_come_back_many_times_on_the_same_port() {
    let fake = greeter().await;
    let version = fake.url_of("/api/version");
    for _ in 0..20 {
        assert_eq!(client::get(&version).await.unwrap().status, 200);
        fake.kill().await;
        assert!(client::get(&version).await.is_err());
        fake.revive().await.unwrap();
    }
}

#[tokio::test]
async fn a_dead_server_s_port_is_nobody_else_s() {
    let fake = greeter().await;
    fake.kill().await;
    let mut others = Vec::new();
    for _ in 0..200 {
        others.push(greeter().await);
    }
    assert!(others.iter().all(|other| other.addr() != fake.addr()));
    drop(others);
    fake.revive().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn dropping_it_stops_it() {
    let fake = slow_talker().await;
    let addr = fake.addr();
    let mut stream = client::stream(&fake.url_of("/api/chat"), &chat(json!({})))
        .await
        .unwrap();
    stream.next().await.unwrap();
    drop(fake);
    assert!(stream.rest().await.is_err());
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn the_answer_says_who_gave_it() {
    let fake = FakeOllama::builder()
        .model("llama3.2")
        .signed("gpu1")
        .tokens([" here"])
        .start()
        .await
        .unwrap();
    let answer = client::post(&fake.url_of("/api/chat"), &chat(json!({"stream": false})))
        .await
        .unwrap()
        .json();
    assert_eq!(answer["message"]["content"], "gpu1 here");
}
