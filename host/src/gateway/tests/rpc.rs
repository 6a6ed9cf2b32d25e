//! JSON-RPC over HTTP.

use serde_json::{Value, json};

use super::support::{ADMIN, USER, call, eventually, gateway, gateway_with, gateway_with_keys, rpc_request};
use crate::config::settings::Limits;

#[tokio::test]
async fn ids_of_every_legal_kind_come_back_to_the_digit() {
    let server = gateway().await;
    for id in [
        "1",
        "-7",
        "1.50",
        "\"a\\u0062\"",
        "null",
        "12345678901234567890123",
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"fake/null"}}"#);
        let response = server.ask(&rpc_request("", &body)).await;
        assert_eq!(
            response.body,
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":null}}"#)
        );
        assert_eq!(
            (response.status, response.header("content-type")),
            (200, "application/json")
        );
    }
}

#[tokio::test]
async fn parameters_arrive_as_they_were_sent() {
    let server = gateway().await;
    for params in [json!({"b": 1, "a": [null]}), json!([1, "x"])] {
        let mut request = call(1, "fake/echo");
        request["params"] = params.clone();
        assert_eq!(server.rpc(request).await["result"], params);
    }
}

#[tokio::test]
async fn failures_keep_code_fault_and_advice() {
    let server = gateway().await;
    let error = server.rpc(call(1, "fake/fail")).await["error"].clone();
    assert_eq!(
        error,
        json!({
            "code": -25007,
            "message": "it fell over",
            "data": {
                "name": "UPSTREAM_ERROR",
                "fault": "instance",
                "retry": "now",
                "hint": "pick it up",
                "details": { "instance": "one" },
            },
        })
    );
    assert_eq!(server.rpc(call(1, "no/such")).await["error"]["code"], -32601);
    assert_eq!(server.rpc(call(1, "manager/such")).await["error"]["code"], -32601);
}

#[tokio::test]
async fn what_is_no_request_is_told_what_is_wrong_with_it() {
    let server = gateway().await;
    for (body, code, message) in [
        ("{", -32700, "EOF"),
        ("", -32700, "EOF"),
        ("{\"jsonrpc\": \"2.0\",}", -32700, "column"),
        ("7", -32600, "a request is an object"),
        ("\"x\"", -32600, "a request is an object"),
        ("[]", -32600, "at least one"),
        ("{}", -32600, "`jsonrpc`"),
        (r#"{"jsonrpc":2.0,"id":1,"method":"x"}"#, -32600, "`jsonrpc`"),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600, "no `method`"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            -32600,
            "`method` must be",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":"y"}"#,
            -32600,
            "`params` must be",
        ),
        (r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#, -32600, "an `id` is"),
        (
            r#"{"jsonrpc":"2.0","id":true,"method":"x"}"#,
            -32600,
            "an `id` is",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"x","stream":1}"#,
            -32600,
            "`stream` must be",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}"#,
            -32600,
            "duplicate field",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"manager/drain","params":[]}"#,
            -32602,
            "by name",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"manager/drain","params":{"hub":1}}"#,
            -32602,
            "expected a string",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"manager/status","params":{"x":1}}"#,
            -32602,
            "unknown field `x`",
        ),
    ] {
        let response = server.ask(&rpc_request("", body)).await;
        let answer = response.json();
        assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
        assert!(response.message().contains(message), "{body}: {answer}");
        assert_eq!(response.status, if code == -32602 { 200 } else { 400 }, "{body}");
    }
    server.is_unharmed().await;
}

#[tokio::test]
async fn notifications_are_done_and_not_answered() {
    let server = gateway().await;
    let note = json!({ "jsonrpc": "2.0", "method": "manager/control", "params": { "verb": "pull" } });
    for body in [note.clone(), json!([note, note])] {
        let response = server.ask(&rpc_request("", &body.to_string())).await;
        assert_eq!((response.status, response.body.as_str()), (204, ""));
    }
    assert_eq!(server.seen.controls.lock().len(), 3);
    // Also one that fails, and one that is wrong in a way that leaves no doubt of what it is.
    let failing = json!({ "jsonrpc": "2.0", "method": "no/such" });
    assert_eq!(
        server.ask(&rpc_request("", &failing.to_string())).await.status,
        204
    );
}

#[tokio::test]
async fn a_batch_is_answered_entry_by_entry_in_order() {
    let server = gateway().await;
    let batch = json!([
        call("a", "fake/null"),
        7,
        { "jsonrpc": "2.0", "method": "fake/null" },
        call("b", "no/such"),
        { "jsonrpc": "2.0", "id": "c", "method": "fake/count", "stream": true },
        call("d", "fake/echo"),
    ]);
    let answers = server.rpc(batch).await;
    let summary: Vec<Value> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| json!([answer["id"], answer["error"]["code"]]))
        .collect();
    assert_eq!(
        json!(summary),
        json!([
            ["a", null],
            [null, -32600],
            ["b", -32601],
            ["c", -32600],
            ["d", null]
        ])
    );
}

#[tokio::test]
async fn a_batch_runs_at_once_only_as_far_as_there_are_slots() {
    let entries: Vec<Value> = (0..20).map(|id| call(id, "fake/running")).collect();
    for (concurrent, most) in [(3, 3), (1000, 8)] {
        let server = gateway_with(Limits {
            concurrent,
            ..Limits::default()
        })
        .await;
        let answers = server.rpc(json!(entries)).await;
        let running = answers
            .as_array()
            .unwrap()
            .iter()
            .map(|answer| answer["result"].as_u64().unwrap());
        let running: Vec<u64> = running.collect();
        assert_eq!((running.len(), running.iter().max()), (20, Some(&most)));
        server.is_unharmed().await;
    }
}

#[tokio::test]
async fn a_batch_that_is_too_long_is_refused_whole() {
    let server = gateway_with(Limits {
        batch: 2,
        ..Limits::default()
    })
    .await;
    let note = json!({ "jsonrpc": "2.0", "method": "manager/control", "params": { "verb": "pull" } });
    let response = server
        .ask(&rpc_request("", &json!([note, note, note]).to_string()))
        .await;
    assert_eq!(
        (response.status, response.json()["error"]["code"].as_i64()),
        (413, Some(-31008))
    );
    assert!(server.seen.controls.lock().is_empty());
}

/// The events of a streamed answer, comments left out.
fn events(text: &str) -> Vec<Value> {
    let data = text
        .split("\n\n")
        .filter_map(|event| event.split("data: ").nth(1));
    data.map(|json| serde_json::from_str(json).unwrap()).collect()
}

/// A streamed call on a connection of its own, until the gateway closes it.
async fn stream(server: &super::support::Server, headers: &str, request: Value) -> String {
    let mut client = server.connect().await;
    let headers = format!("connection: close\r\n{headers}");
    client.send(rpc_request(&headers, &request.to_string())).await;
    client.rest().await
}

#[tokio::test]
async fn a_streamed_result_is_events_and_the_response_is_the_last() {
    let server = gateway().await;
    let mut request = call("s", "fake/count");
    request["stream"] = json!(true);
    let text = stream(&server, "", request).await;
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    let item = |item: Value| json!({ "jsonrpc": "2.0", "method": "stream/item", "params": { "id": "s", "item": item } });
    assert_eq!(
        events(&text),
        [
            item(json!(1)),
            item(json!({ "two": 2 })),
            item(Value::Null),
            json!({ "jsonrpc": "2.0", "id": "s", "result": null }),
        ]
    );
}

#[tokio::test]
async fn a_stream_that_fails_ends_with_the_failure_and_nothing_after_it() {
    let server = gateway().await;
    for (method, items, code) in [
        ("fake/break", 3, -25008),
        ("no/such", 0, -30011),
        ("manager/such", 0, -32601),
    ] {
        let text = stream(&server, "accept: text/event-stream\r\n", call(1, method)).await;
        let events = events(&text);
        assert_eq!(events.len(), items + 1, "{text}");
        assert_eq!(events[items]["error"]["code"], code, "{text}");
    }
    server.is_unharmed().await;
}

#[tokio::test]
async fn accepting_events_besides_json_does_not_ask_for_them() {
    let server = gateway().await;
    let accept = "accept: application/json, text/event-stream\r\n";
    let response = server
        .ask(&rpc_request(accept, &call(1, "fake/null").to_string()))
        .await;
    assert_eq!(response.header("content-type"), "application/json");
    let mut no = call(1, "fake/null");
    no["stream"] = json!(false);
    let response = server
        .ask(&rpc_request("accept: text/event-stream\r\n", &no.to_string()))
        .await;
    assert_eq!(response.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_silent_stream_says_that_it_is_alive_and_ends_with_its_client() {
    let server = super::support::Server::start_tuned(
        super::support::settings(Limits::default()),
        std::time::Duration::from_millis(20),
    )
    .await;
    let mut client = server.connect().await;
    let mut request = call(1, "fake/silent");
    request["stream"] = json!(true);
    client.send(rpc_request("", &request.to_string())).await;
    let alive = |read: &[u8]| String::from_utf8_lossy(read).matches(": alive\n\n").count() >= 2;
    assert!(client.until(alive).await);
    drop(client);
    server.is_unharmed().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_call() {
    let server = gateway().await;
    let mut client = server.connect().await;
    client
        .send(rpc_request(
            "",
            &json!([call(1, "fake/hang"), call(2, "fake/hang")]).to_string(),
        ))
        .await;
    eventually("both run", || server.seen.running() == 2).await;
    drop(client);
    server.is_unharmed().await;
}

#[tokio::test]
async fn the_manager_answers_by_its_own_methods() {
    let server = gateway().await;
    assert_eq!(
        server.rpc(call(1, "manager/status")).await["result"],
        json!({ "fleet": "well" })
    );
    let mut drain = call(1, "manager/drain");
    drain["params"] = json!({ "hub": "a", "instance": "one" });
    assert_eq!(
        server.rpc(drain.clone()).await["result"],
        json!({ "draining": true })
    );
    drain["params"] = json!({ "instance": "one" });
    assert_eq!(
        server.rpc(drain.clone()).await["result"],
        json!({ "draining": true })
    );
    drain["params"]["instance"] = json!("two");
    assert_eq!(server.rpc(drain).await["error"]["code"], -30011);
    let mut control = call(1, "manager/control");
    control["params"] =
        json!({ "hub": "a", "verb": "pull", "arguments": { "model": "m" }, "selection": { "tag": "gpu" } });
    // Without events only what came of it.
    assert_eq!(
        server.rpc(control.clone()).await["result"],
        json!({ "results": {} })
    );
    control["stream"] = json!(true);
    let text = stream(&server, "", control).await;
    assert_eq!(events(&text).len(), 3, "{text}");
    let seen = server.seen.controls.lock().pop().unwrap();
    assert_eq!((seen.hub.as_deref(), seen.verb.as_str()), (Some("a"), "pull"));
    assert_eq!(
        seen.selection,
        Some(plugin_api::host::Selection::Tag("gpu".into()))
    );
}

#[tokio::test]
async fn what_changes_the_fleet_needs_an_administrators_key() {
    let server = gateway_with_keys().await;
    let ask = async |key: &str, request: Value| {
        let header = format!("authorization: Bearer {key}\r\n");
        server
            .ask(&rpc_request(&header, &request.to_string()))
            .await
            .json()["error"]["code"]
            .clone()
    };
    let mut drain = call(1, "manager/drain");
    drain["params"] = json!({ "hub": "a", "instance": "one" });
    let control = |verb: &str| {
        let mut control = call(1, "manager/control");
        control["params"] = json!({ "verb": verb });
        control
    };
    assert_eq!(ask(USER, drain.clone()).await, -31007);
    assert_eq!(ask(USER, control("pull")).await, -31007);
    assert_eq!(ask(USER, control("show")).await, Value::Null);
    assert_eq!(ask(USER, call(1, "manager/status")).await, Value::Null);
    assert_eq!(ask(ADMIN, drain).await, Value::Null);
    assert_eq!(ask(ADMIN, control("pull")).await, Value::Null);
}
