//! Stopping without losing work.

use std::time::Duration;

use serde_json::json;

use super::support::{Server, call, eventually, gateway, rpc_request, settings};
use crate::config::settings::{HostSettings, Limits};

const HANG: &str = "POST /hang HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";

/// A gateway that gives work in flight no time at all.
async fn impatient() -> Server {
    Server::start(HostSettings {
        shutdown_timeout: Duration::ZERO,
        ..settings(Limits::default())
    })
    .await
}

#[tokio::test]
async fn an_idle_gateway_stops_at_once_and_closes_kept_connections() {
    let server = gateway().await;
    let mut kept = server.connect().await;
    kept.send("GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    kept.response().await;
    let mut silent = server.connect().await;
    eventually("both are connected", || server.open() == 2).await;
    let address = server.address;
    server.tell_to_stop();
    assert_eq!(server.stopped().await, 0);
    assert!(kept.is_closed().await);
    assert!(silent.is_closed().await);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn work_in_flight_is_finished_and_readiness_is_gone_meanwhile() {
    let server = gateway().await;
    let mut uploading = server.connect().await;
    uploading
        .send("POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nab")
        .await;
    eventually("it is in flight", || server.in_flight() == 1).await;
    let before = server.received();
    let mut probe = server.connect().await;
    let half = "GET /readyz HTTP/1.1\r\nhost: local";
    probe.send(half).await;
    eventually("it has been heard", || {
        server.received() == before + half.len() as u64
    })
    .await;
    server.tell_to_stop();
    eventually("it is stopping", || server.is_closing()).await;
    probe.send("host\r\n\r\n").await;
    let answer = probe.response().await;
    assert_eq!(
        (answer.status, answer.json()["reasons"][0].as_str()),
        (503, Some("the host is stopping"))
    );
    uploading.send("cde").await;
    let answer = uploading.response().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "5 bytes"));
    assert!(uploading.is_closed().await);
    assert_eq!(server.stopped().await, 0);
}

#[tokio::test]
async fn work_that_outlasts_its_time_is_cancelled_with_a_word() {
    let server = impatient().await;
    let mut waiting = server.connect().await;
    waiting.send(HANG).await;
    let mut deaf = server.connect().await;
    deaf.send(HANG.replace("hang", "deaf")).await;
    let mut streaming = server.connect().await;
    streaming
        .send("GET /drip HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    assert!(streaming.until(|read| read.ends_with(b"first.\r\n")).await);
    let mut calling = server.connect().await;
    calling
        .send(rpc_request("", &call(1, "fake/hang").to_string()))
        .await;
    let mut following = server.connect().await;
    let mut request = call(2, "fake/silent");
    request["stream"] = json!(true);
    following.send(rpc_request("", &request.to_string())).await;
    eventually("all are in flight", || {
        server.in_flight() == 5 && server.seen.running() == 5
    })
    .await;

    server.tell_to_stop();
    assert_eq!(server.stopped().await, 5);
    assert_eq!(waiting.response().await.body, "cancelled");
    let cut = deaf.response().await;
    assert_eq!(cut.status, 503);
    assert!(cut.json()["fake_error"].as_str().unwrap().contains("stopping"));
    let rest = streaming.rest().await;
    assert!(
        rest.contains("error: stopping") && rest.ends_with("0\r\n\r\n"),
        "{rest}"
    );
    assert_eq!(calling.response().await.json()["error"]["code"], -31002);
    let rest = following.rest().await;
    assert!(rest.contains("-31002") && rest.ends_with("0\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn what_does_not_end_when_cancelled_is_dropped() {
    let server = Server::start(HostSettings {
        shutdown_timeout: Duration::ZERO,
        cancel_grace: Duration::ZERO,
        ..settings(Limits::default())
    })
    .await;
    let mut client = server.connect().await;
    client
        .send("GET /flood HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    eventually("it floods", || server.seen.running() == 1).await;
    let seen = server.seen.clone();
    server.tell_to_stop();
    assert_eq!(server.stopped().await, 1);
    assert_eq!(seen.running(), 0);
}

#[tokio::test]
async fn dropping_the_server_drops_everything() {
    let server = gateway().await;
    let mut client = server.connect().await;
    client.send(HANG).await;
    eventually("it works", || server.seen.running() == 1).await;
    server.abort();
    assert!(client.is_closed().await);
    eventually("nothing runs", || server.seen.running() == 0).await;
}
