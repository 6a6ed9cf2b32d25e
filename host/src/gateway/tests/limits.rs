//! What callers may cost.

use std::time::Duration;

use serde_json::{Value, json};

use super::fake::LONG;
use super::support::{Client, Server, call, eventually, gateway_with, rpc_request};
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

/// A request whose result is as long as this.
fn echo(id: u64, length: usize) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "fake/echo", "params": ["x".repeat(length)] })
}

#[tokio::test]
async fn the_answers_of_a_batch_have_a_budget_and_those_that_fit_stand() {
    let server = gateway_with(Limits {
        batch_answer_bytes: 100 << 10,
        ..Limits::default()
    })
    .await;
    let batch = [
        echo(1, 60 << 10),
        echo(2, 60 << 10),
        echo(3, 10),
        call(4, "fake/fail"),
    ];
    let answers = server.rpc(json!(batch)).await;
    assert_eq!(answers[0]["result"], batch[0]["params"]);
    let refused = &answers[1]["error"];
    assert_eq!(
        (&answers[1]["id"], &refused["data"]["retry"]),
        (&json!(2), &json!("now"))
    );
    assert_eq!(refused["data"]["details"]["limit"], 100 << 10);
    assert!(
        refused["data"]["hint"]
            .as_str()
            .unwrap()
            .contains("`[host.limits] batch_answer_bytes`")
    );
    assert_eq!(answers[2]["result"], batch[2]["params"]);
    assert_eq!(answers[3]["error"]["message"], "it fell over");
    // What did not fit into the batch fits by itself.
    assert_eq!(server.rpc(batch[1].clone()).await["result"], batch[1]["params"]);
    server.is_unharmed().await;
}

#[tokio::test]
async fn small_answers_of_a_batch_count_as_well() {
    let server = gateway_with(Limits {
        batch_answer_bytes: 20 << 10,
        ..Limits::default()
    })
    .await;
    let answers = server
        .rpc(json!([echo(1, 9 << 10), echo(2, 9 << 10), echo(3, 9 << 10)]))
        .await;
    let refused = |index: usize| answers[index]["error"].is_object();
    assert_eq!([refused(0), refused(1), refused(2)], [false, false, true]);
    server.is_unharmed().await;
}

/// A host that has room for one long answer and a half.
async fn with_room_for_one() -> Server {
    gateway_with(Limits {
        buffered_answer_bytes: LONG as u64 * 3 / 2,
        ..Limits::default()
    })
    .await
}

/// A client that has asked for a long answer and does not read it yet.
async fn holder(server: &Server, request: &str) -> Client {
    let mut client = server.connect().await;
    client.send(request).await;
    eventually("it is held", || server.held_answers() >= LONG as u64).await;
    client
}

const LONG_ROUTE: &str = "GET /long HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn an_answer_counts_until_its_client_has_read_it() {
    let server = with_room_for_one().await;
    let long = rpc_request("", &call(1, "fake/long").to_string());
    for request in [long.as_str(), LONG_ROUTE] {
        let mut first = holder(&server, request).await;
        let second = server.ask(&long).await.json();
        assert_eq!(second["error"]["data"]["retry"], json!({ "after": 1000 }));
        let hint = second["error"]["data"]["hint"].as_str().unwrap();
        assert!(hint.contains("`[host.limits] buffered_answer_bytes`"), "{hint}");
        let third = server.ask(LONG_ROUTE).await;
        assert_eq!(
            (third.status, third.json()["fault"].as_str()),
            (503, Some("host"))
        );
        // Whoever wants little is served as ever.
        assert_eq!(server.rpc(echo(2, 10)).await["result"][0], "x".repeat(10));
        let answer = first.response().await;
        assert!(answer.body.len() >= LONG);
        drop(first);
        eventually("it is let go", || server.held_answers() == 0).await;
    }
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_stream_whose_item_finds_no_room_ends_with_the_reason() {
    let server = with_room_for_one().await;
    let streamed = json!({ "jsonrpc": "2.0", "id": 1, "method": "fake/long", "stream": true });
    let streamed = rpc_request("connection: close\r\n", &streamed.to_string());
    let first = holder(&server, LONG_ROUTE).await;
    let mut client = server.connect().await;
    client.send(&streamed).await;
    let events = client.rest().await;
    assert!(
        events.contains("buffered_answer_bytes") && !events.contains("stream/item"),
        "{}",
        events.len()
    );
    drop(first);
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_no_answer_behind() {
    let server = with_room_for_one().await;
    drop(holder(&server, LONG_ROUTE).await);
    server.is_unharmed().await;
    let batch = json!([call(1, "fake/long"), call(2, "fake/null")]);
    drop(holder(&server, &rpc_request("", &batch.to_string())).await);
    server.is_unharmed().await;
}
