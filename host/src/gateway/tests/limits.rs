//! What callers may cost.

use std::time::Duration;

use super::support::{eventually, gateway_with};
use crate::config::settings::Limits;

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn one_request_too_many_is_told_to_come_back() {
    let server = gateway_with(Limits {
        concurrent: 1,
        ..Limits::default()
    })
    .await;
    let mut busy = server.connect().await;
    busy.send("POST /hang HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n")
        .await;
    eventually("it works", || server.seen.running() == 1).await;
    let refused = server.ask(HELLO).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    // An operator who asks why still gets in.
    for path in ["/healthz", "/metrics"] {
        let probe = server
            .ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
            .await;
        assert_eq!(probe.status, 200);
    }
    drop(busy);
    server.is_unharmed().await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = gateway_with(Limits {
        connections: 1,
        ..Limits::default()
    })
    .await;
    let mut first = server.connect().await;
    first.send(HELLO).await;
    first.response().await;
    let second = server.ask(HELLO).await;
    assert_eq!((second.status, second.header("retry-after")), (503, "1"));
    assert!(second.message().contains("connections"));
    first.send(HELLO).await;
    assert_eq!(first.response().await.status, 200);
    drop(first);
    server.is_unharmed().await;
}

#[tokio::test]
async fn bodies_together_have_a_budget() {
    let server = gateway_with(Limits {
        buffered_bytes: 100 << 10,
        ..Limits::default()
    })
    .await;
    let mut first = server.connect().await;
    first
        .send("POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 90000\r\n\r\n")
        .await;
    first.send("x".repeat(80_000)).await;
    eventually("most of it is held", || server.held() >= 80_000).await;
    let body = "y".repeat(50_000);
    let second = server
        .ask_owned(format!(
            "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50000\r\n\r\n{body}"
        ))
        .await;
    assert_eq!((second.status, second.header("retry-after")), (503, "1"));
    first.send("x".repeat(10_000)).await;
    assert_eq!(first.response().await.body, "90000 bytes");
    drop(first);
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_what_is_behind_it_ends() {
    let server = gateway_with(Limits {
        write_idle_timeout: Duration::from_millis(100),
        ..Limits::default()
    })
    .await;
    let mut client = server.connect().await;
    client
        .send("GET /flood HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    eventually("it floods", || server.seen.running() == 1).await;
    eventually("it is given up", || server.seen.running() == 0).await;
    server.is_unharmed().await;
    let scrape = server
        .ask("GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    assert!(scrape.body.contains("gleitzeit_connections_unread_total 1"));
}

#[tokio::test]
async fn a_client_that_reads_one_byte_at_a_time_is_no_better() {
    use tokio::io::AsyncReadExt;

    let server = gateway_with(Limits {
        write_idle_timeout: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    let mut client = server.connect().await;
    client
        .send("GET /flood HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    eventually("it floods", || server.seen.running() == 1).await;
    let seen = server.seen.clone();
    let trickle = async {
        let mut byte = [0; 1];
        while seen.running() > 0 {
            let _ = client.stream.read(&mut byte).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(super::support::DEADLINE, trickle)
        .await
        .expect("it is given up");
    drop(client);
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_kept_connection_outlives_the_limit_on_heads() {
    let server = gateway_with(Limits {
        header_timeout: Duration::from_millis(500),
        ..Limits::default()
    })
    .await;
    let mut kept = server.connect().await;
    kept.send(HELLO).await;
    kept.response().await;
    // A second connection that says nothing shows that the limit has passed.
    let mut silent = server.connect().await;
    assert!(silent.is_closed().await);
    kept.send(HELLO).await;
    assert_eq!(kept.response().await.status, 200);
}
