//! What answers may hold of the host's memory.

use serde_json::{Value, json};

use super::fake::LONG;
use super::support::{
    ADMIN, Client, Server, USER, call, eventually, gateway_with, gateway_with_keys_and, rpc_request,
};
use crate::config::settings::Limits;

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
        (&json!(2), &json!("never"))
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
        // It was carried out: nobody is to have that done again without knowing.
        assert_eq!(second["error"]["data"]["retry"], "never");
        let hint = second["error"]["data"]["hint"].as_str().unwrap();
        assert!(hint.contains("`[host.limits] buffered_answer_bytes`"), "{hint}");
        let third = server.ask(LONG_ROUTE).await;
        let told = third.json();
        assert_eq!((third.status, &told["fault"]), (413, &json!("host")));
        assert_eq!(third.header("retry-after"), "");
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
async fn who_reads_none_of_his_answers_fills_his_half_and_no_more() {
    let server = gateway_with_keys_and(Limits {
        buffered_answer_bytes: LONG as u64 * 3,
        ..Limits::default()
    })
    .await;
    let of = |key: &str| {
        let key = format!("authorization: Bearer {key}\r\n");
        rpc_request(&key, &call(1, "fake/long").to_string())
    };
    let first = holder(&server, &of(ADMIN)).await;
    let second = server.ask(&of(ADMIN)).await.json();
    let message = second["error"]["message"].as_str().unwrap();
    assert!(message.contains("half of it that one key may have"), "{message}");
    assert!(server.ask(&of(USER)).await.body.len() >= LONG);
    drop(first);
    eventually("it is let go", || server.held_answers() == 0).await;
    assert!(server.ask(&of(ADMIN)).await.body.len() >= LONG);
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
