//! `call`, streamed and not, and how each kind of failure ends.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::fixture::{command, host};
use crate::cli::Exit;

#[test]
fn a_call_sends_json_rpc_and_prints_the_result() {
    let host = host().result("llm/chat", json!({ "answer": 42 }));
    let ran = host
        .run(&["call", "llm/chat", "model=small", "n=2"])
        .ended(Exit::Ok);
    assert_eq!(ran.json(), json!({ "answer": 42 }));
    assert!(ran.out.lines().count() > 1, "people get it spread out");
    let body = host.asked().body;
    assert_eq!(body["jsonrpc"], "2.0");
    assert_eq!(body["params"], json!({ "model": "small", "n": 2 }));
    assert_eq!(body["id"], 1);
}

#[test]
fn scripts_get_one_line() {
    let host = host()
        .result("m", json!({ "a": [1, 2] }))
        .result("text", json!("two\nlines"));
    assert_eq!(
        host.run(&["--json", "call", "m"]).ended(Exit::Ok).out,
        "{\"a\":[1,2]}\n"
    );
    assert_eq!(host.run(&["--json", "call", "text"]).out, "\"two\\nlines\"\n");
    assert_eq!(host.run(&["call", "text"]).out, "two\nlines\n");
}

#[test]
fn null_is_a_result() {
    let host = host().result("m", Value::Null);
    assert_eq!(host.run(&["call", "m"]).ended(Exit::Ok).out, "null\n");
}

#[test]
fn a_stream_is_printed_item_by_item() {
    let host = host().items("m", &[json!({ "piece": 1 }), json!("two")]);
    let ran = host.run(&["call", "m", "--stream"]).ended(Exit::Ok);
    assert_eq!(ran.out, "{\"piece\":1}\n\"two\"\n");
    assert_eq!(host.asked().body["stream"], true);
    assert_eq!(host.asked().headers["accept"], "text/event-stream");
}

#[test]
fn a_streams_own_result_comes_last() {
    let host = host().events(
        "m",
        "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"result\":7}\n\n",
    );
    assert_eq!(host.run(&["call", "m", "--stream"]).ended(Exit::Ok).out, "7\n");
}

#[test]
fn a_method_that_does_not_stream_is_printed_all_the_same() {
    let host = host().result("m", json!(7));
    assert_eq!(host.run(&["call", "m", "--stream"]).ended(Exit::Ok).out, "7\n");
}

#[test]
fn a_stream_that_ends_early_is_a_failure() {
    let item = "data: {\"jsonrpc\":\"2.0\",\"method\":\"stream/item\",\"params\":{\"id\":1,\"item\":1}}\n\n";
    let host = host()
        .events("cut", item)
        .events("empty", "")
        .events("nonsense", "data: {nonsense\n\n")
        .events(
            "failed",
            &format!("{item}data: {{\"id\":1,\"error\":{{\"code\":-25008,\"message\":\"broke\"}}}}\n\n"),
        );
    let ran = host.run(&["call", "cut", "--stream"]).ended(Exit::Failed);
    assert_eq!(ran.out, "1\n");
    assert!(ran.err.contains("ended before it was complete"), "{}", ran.err);
    host.run(&["call", "empty", "--stream"]).ended(Exit::Failed);
    host.run(&["call", "nonsense", "--stream"]).ended(Exit::Failed);
    let ran = host.run(&["call", "failed", "--stream"]).ended(Exit::Failed);
    assert_eq!(ran.out, "1\n");
    assert!(ran.err.contains("broke"), "{}", ran.err);
}

#[test]
fn each_kind_of_failure_has_its_exit_code() {
    let kinds = [
        (-32602, Exit::Usage),
        (-32601, Exit::Usage),
        (-30003, Exit::Unavailable),
        (-31004, Exit::Unavailable),
        (-31005, Exit::Unavailable),
        (-31006, Exit::Denied),
        (-31007, Exit::Denied),
        (-30011, Exit::NotFound),
        (-30006, Exit::TimedOut),
        (-25007, Exit::Failed),
        (-12345, Exit::Failed),
    ];
    for (code, exit) in kinds {
        let host = host().error("m", code, "no", json!({}));
        host.run(&["call", "m"]).ended(exit);
    }
}

#[test]
fn a_failure_says_what_happened_whose_fault_it_is_and_what_to_do() {
    let host = host()
        .error(
            "told",
            -30003,
            "all are down",
            json!({ "fault": "instance", "hint": "start one" }),
        )
        .error("later", -31004, "full", json!({ "retry": { "after": 4200 } }))
        .error("denied", -31006, "who are you", json!({}));
    let ran = host.run(&["call", "told"]);
    assert_eq!(
        ran.err,
        "error: all are down\nfault: an instance's\nnext:  start one\n"
    );
    assert!(ran.out.is_empty());
    assert!(
        host.run(&["call", "later"])
            .err
            .contains("next:  try again in 5s")
    );
    assert!(host.run(&["call", "denied"]).err.contains("--key-file"));
}

#[test]
fn scripts_get_the_error_as_json_on_standard_error() {
    let host = host().error("m", -30003, "all are down", json!({ "fault": "instance" }));
    let ran = host.run(&["--json", "call", "m"]).ended(Exit::Unavailable);
    let error: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(error["error"]["code"], -30003);
    assert_eq!(error["exit"], 4);
}

#[test]
fn where_no_host_answers_the_code_says_so() {
    // A port that was free a moment ago: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = command(&["--url", &format!("http://{address}"), "status"]).ended(Exit::Unreachable);
    assert!(ran.err.contains("gleitzeit serve"), "{}", ran.err);
}

#[test]
fn where_something_else_answers_the_code_says_so() {
    let host = host().raw("html", 404, "text/html", "<html>no</html>").raw(
        "json",
        200,
        "application/json",
        "{\"hello\": 1}",
    );
    let ran = host.run(&["call", "html"]).ended(Exit::Unreachable);
    assert!(ran.err.contains("not a Gleitzeit host (HTTP 404)"), "{}", ran.err);
    host.run(&["call", "json"]).ended(Exit::Unreachable);
    host.run(&["call", "json", "--stream"]).ended(Exit::Unreachable);
}

#[test]
fn an_error_with_an_error_status_is_still_read() {
    let body =
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-31006,\"message\":\"a key is needed\"}}";
    let host = host().raw("m", 401, "application/json", body);
    let ran = host.run(&["call", "m"]).ended(Exit::Denied);
    assert!(ran.err.contains("a key is needed"));
}

#[test]
fn a_key_that_is_none_is_not_taken_for_a_host_that_is_down() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, "one\ntwo\n").unwrap();
    let host = host().result("manager/status", json!({}));
    let ran = host
        .run(&["--key-file", file.to_str().unwrap(), "status"])
        .ended(Exit::Usage);
    assert!(
        ran.err.contains("holds a line break") && ran.err.contains("key"),
        "{}",
        ran.err
    );
    let ran = host
        .run(&["--key", "schl\u{fc}ssel", "status"])
        .ended(Exit::Usage);
    assert!(!ran.err.contains("ssel"), "a secret is not shown: {}", ran.err);
}
