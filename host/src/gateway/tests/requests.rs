//! What happens to a request that is well made.

use super::support::{eventually, gateway};

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let server = gateway().await;
    let mut client = server.connect().await;
    for length in [0, 5, 70_000] {
        let body = "x".repeat(length);
        client
            .send(format!(
                "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}"
            ))
            .await;
        let response = client.response().await;
        assert_eq!((response.status, response.body), (200, format!("{length} bytes")));
    }
    client
        .send("GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    assert_eq!(client.response().await.body, "hello");
    drop(client);
    server.is_unharmed().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = gateway().await;
    let mut client = server.connect().await;
    let hello = "GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let echo = "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nhi";
    client.send([hello, echo, hello].concat()).await;
    for expected in ["hello", "2 bytes", "hello"] {
        assert_eq!(client.response().await.body, expected);
    }
}

#[tokio::test]
async fn an_upgrade_that_nobody_offers_is_passed_over() {
    let server = gateway().await;
    let mut client = server.connect().await;
    for upgrade in ["h2c", "websocket"] {
        client
            .send(format!(
                "GET /hello HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: {upgrade}\r\n\r\n"
            ))
            .await;
        let response = client.response().await;
        assert_eq!((response.status, response.body.as_str()), (200, "hello"));
    }
}

#[tokio::test]
async fn a_request_id_is_kept_or_made() {
    let server = gateway().await;
    let own = server
        .ask("GET /hello HTTP/1.1\r\nhost: localhost\r\nx-request-id: my-7\r\n\r\n")
        .await;
    assert_eq!(own.header("x-request-id"), "my-7");
    let made = server.ask("GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(made.header("x-request-id").len(), 16);
    let seen: Vec<String> = server
        .seen
        .askers
        .lock()
        .iter()
        .map(|asker| asker.request_id.clone())
        .collect();
    assert_eq!(seen, ["my-7", made.header("x-request-id")]);
}

#[tokio::test]
async fn trace_context_and_deadline_are_handed_on() {
    let server = gateway().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    server
        .ask(&format!(
            "GET /hello HTTP/1.1\r\nhost: localhost\r\ntraceparent: {trace}\r\nx-gleitzeit-timeout: 30\r\n\r\n"
        ))
        .await;
    let asker = server.seen.askers.lock().pop().unwrap();
    assert_eq!(asker.traceparent.as_deref(), Some(trace));
    assert!(asker.deadline.is_some());
    assert_eq!((&*asker.principal, asker.admin), ("anonymous", true));
}

#[tokio::test]
async fn failures_before_the_answer_are_in_the_dialect_of_the_route() {
    let server = gateway().await;
    for (request, status) in [
        ("GET /echo HTTP/1.1\r\nhost: localhost\r\n\r\n", 405),
        (
            "GET /hello HTTP/1.1\r\nhost: localhost\r\nx-gleitzeit-timeout: soon\r\n\r\n",
            400,
        ),
        (
            "GET /hello HTTP/1.1\r\nhost: localhost\r\nx-fake-bad-hint: 1\r\n\r\n",
            400,
        ),
        ("GET /hello HTTP/1.1\r\nhost: evil.example\r\n\r\n", 403),
        (
            "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999\r\n\r\n",
            413,
        ),
    ] {
        let response = server.ask(request).await;
        assert_eq!(response.status, status, "{response:?}");
        assert!(response.json()["fake_error"].is_string(), "{response:?}");
    }
    let wrong = server.ask("GET /echo HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(wrong.header("allow"), "POST");
}

#[tokio::test]
async fn what_nobody_serves_is_answered_with_where_to_look() {
    let server = gateway().await;
    let response = server
        .ask("GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    assert_eq!(response.status, 404);
    let error = &response.json()["error"];
    assert_eq!(error["message"], "nothing is served at GET /nothing");
    assert!(error["hint"].as_str().unwrap().contains("gleitzeit methods"));
    let wrong = server.ask("GET /rpc HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn a_client_that_hangs_up_before_the_first_byte_ends_the_work() {
    let server = gateway().await;
    let mut client = server.connect().await;
    client
        .send("POST /hang HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}")
        .await;
    eventually("it works", || server.seen.running() == 1).await;
    drop(client);
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_in_a_silent_stream_ends_the_work() {
    let server = gateway().await;
    let mut client = server.connect().await;
    client.send("GET /drip HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(client.until(|read| read.ends_with(b"first.\r\n")).await);
    assert_eq!((server.seen.running(), server.in_flight()), (1, 1));
    drop(client);
    server.is_unharmed().await;
}

#[tokio::test]
async fn connections_are_shared_out_evenly() {
    let mut settings = super::support::settings(crate::config::settings::Limits::default());
    settings.network_threads = 3;
    let server = super::support::Server::start(settings).await;
    let mut clients = Vec::new();
    for _ in 0..9 {
        let mut client = server.connect().await;
        client
            .send("GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await;
        client.response().await;
        clients.push(client);
    }
    assert_eq!(server.open_by_thread(), [3, 3, 3]);
}
