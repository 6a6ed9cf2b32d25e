//! `status`, `instances`, `methods`: what people see, and what scripts get.

use serde_json::{Value, json};

use super::fixture::host;
use crate::cli::table::{Table, Tone};
use crate::cli::{Exit, status};

fn instance(id: &str) -> Value {
    json!({
        "id": id, "hub": "gpus", "state": "healthy", "routable": true,
        "breaker": { "state": "closed" }, "in_flight": 1, "max_concurrent": 4,
        "capabilities": [
            { "name": "a", "residency": "loaded" },
            { "name": "b", "residency": "stored" },
            { "name": "c", "residency": "stored" },
        ],
        "metrics": {
            "latency": { "count": 9, "p50_ms": 1.25, "p95_ms": 1234.5, "p99_ms": 2000.0 },
            "outcomes": { "success": 7, "server_error": 1, "timed_out": 1, "client_error": 5 },
        },
    })
}

fn fleet() -> Value {
    let mut down = instance("gpu2:1");
    down["state"] = json!("unhealthy");
    down["routable"] = json!(false);
    down["reason"] = json!("3 probes failed:\nconnection refused\u{1b}[31m");
    down["breaker"] = json!({ "state": "open" });
    down["max_concurrent"] = Value::Null;
    down["metrics"]["latency"] = json!({ "count": 0, "p50_ms": 0.0 });
    json!({
        "version": "0.1.0",
        "hubs": [{
            "name": "gpus", "plugin": "gpu-hub", "version": "1.0.0", "strategy": "least_loaded",
            "instances": [instance("gpu1:1"), down],
            "metrics": { "queue_depth": 3, "in_flight": 1, "retries": 2, "refused_queue_full": 4, "refused_closed": 1,
                         "queue_wait": { "count": 1, "p95_ms": 20.0 } },
        }],
        "providers": [{ "name": "llm", "plugin": "p", "version": "1", "protocol": "llm/v1", "hubs": ["gpus"] }],
        "plugins": [{ "id": "bad", "reason": "bad.so: writable by others" }],
        "unready": ["the hub `b` is not serving: bad.so: writable by others", "`c` is quarantined"],
    })
}

/// A line's words.
fn words(text: &str, line_with: &str) -> Vec<String> {
    let line = text
        .lines()
        .find(|line| line.contains(line_with))
        .unwrap_or_else(|| panic!("no {line_with} in\n{text}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn warm_resources_are_told_of_by_kind() {
    let mut fleet = fleet();
    let mut resource = instance("box-1");
    resource["warm"] = json!("0123456789ab");
    resource["routable"] = json!(false);
    fleet["hubs"][0]["instances"]
        .as_array_mut()
        .unwrap()
        .push(resource);
    fleet["hubs"][0]["warm"] = json!({ "shelves": [
        { "specification": "0123456789ab", "label": "science", "idle": 3, "unused": 2, "busy": 1, "starting": 0,
          "target": 2, "kept": true, "waiting": 0, "hits": 41, "misses": 5 },
        { "specification": "ba9876543210", "idle": 0, "unused": 0, "busy": 0, "starting": 0, "target": 1, "kept": false,
          "waiting": 0, "hits": 0, "misses": 0, "error": "no engine" },
    ] });
    let out = host()
        .result("manager/status", fleet)
        .run(&["status"])
        .ended(Exit::Ok)
        .out;
    assert!(!out.contains("box-1"), "{out}");
    assert!(words(&out, "gpu-hub").contains(&"1/2".to_owned()), "{out}");
    assert_eq!(
        words(&out, "science"),
        [
            "gpus",
            "0123456789ab",
            "science",
            "3",
            "2",
            "1",
            "0",
            "2",
            "0",
            "41",
            "5"
        ]
    );
    assert!(
        words(&out, "ba9876543210").ends_with(&["no".to_owned(), "engine".to_owned()]),
        "{out}"
    );
}

#[test]
fn status_shows_whether_a_request_would_be_sent_there_and_why_not() {
    let host = host().result("manager/status", fleet());
    let out = host.run(&["status"]).ended(Exit::Ok).out;
    assert_eq!(
        words(&out, "gpu1:1"),
        [
            "gpus", "gpu1:1", "healthy", "yes", "closed", "1/4", "3", "1.2ms", "1234ms", "1", "2", "2"
        ]
    );
    assert_eq!(
        words(&out, "gpu2:1"),
        [
            "gpus",
            "gpu2:1",
            "unhealthy",
            "no",
            "open",
            "1/-",
            "-",
            "-",
            "1",
            "2",
            "2",
            "3",
            "probes",
            "failed:",
            "connection",
            "refused[31m"
        ]
    );
    assert_eq!(
        words(&out, "gpu-hub"),
        [
            "gpus",
            "gpu-hub",
            "1.0.0",
            "least_loaded",
            "1/2",
            "1",
            "3",
            "20ms",
            "2",
            "5"
        ]
    );
    assert_eq!(words(&out, "llm/v1"), ["llm", "llm/v1", "p", "1", "gpus"]);
    assert!(out.contains("bad.so: writable by others"));
    assert!(
        !out.contains('\u{1b}'),
        "no colours and no cursor where nobody sees them"
    );
}

#[test]
fn status_of_a_host_that_says_little_is_no_failure() {
    let host = host().result("manager/status", json!({}));
    host.run(&["status"]).ended(Exit::Ok);
}

#[test]
fn scripts_get_status_as_it_came() {
    let host = host().result("manager/status", fleet());
    assert_eq!(host.run(&["status", "--json"]).ended(Exit::Ok).json(), fleet());
}

#[test]
fn instances_are_listed() {
    let host = host().result("manager/instances", json!([instance("a"), instance("b")]));
    let out = host.run(&["instances"]).ended(Exit::Ok).out;
    assert_eq!(out.lines().count(), 3, "{out}");
    assert_eq!(
        host.run(&["instances", "list", "--json"])
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn an_instance_is_drained_and_resumed_by_its_id() {
    let host = host()
        .result("manager/instances", json!([instance("a"), instance("b")]))
        .result("manager/drain", json!({ "state": "draining" }))
        .result("manager/resume", Value::Null);
    let ran = host.run(&["instances", "drain", "b"]).ended(Exit::Ok);
    assert!(ran.out.contains("gpus/b"), "{}", ran.out);
    assert_eq!(
        host.asked().body["params"],
        json!({ "hub": "gpus", "instance": "b" })
    );
    host.run(&["instances", "resume", "gpus/a"]).ended(Exit::Ok);
    assert_eq!(host.asked().body["method"], "manager/resume");
    assert_eq!(host.asked().body["params"]["instance"], "a");
}

#[test]
fn an_id_that_is_not_there_or_there_twice_is_told() {
    let mut other = instance("gpu1");
    other["hub"] = json!("cloud");
    let host = host().result("manager/instances", json!([instance("gpu1"), other]));
    let ran = host.run(&["instances", "drain", "gpu2"]).ended(Exit::NotFound);
    assert!(ran.err.contains("did you mean `gpu1`?"), "{}", ran.err);
    let ran = host.run(&["instances", "drain", "gpu1"]).ended(Exit::Usage);
    assert!(ran.err.contains("gpus/gpu1 or cloud/gpu1"), "{}", ran.err);
}

#[test]
fn methods_are_listed_and_one_is_shown_with_its_parameters() {
    let methods = json!({ "methods": [{
        "name": "toy/play", "aliases": ["play"], "description": "Plays.", "provider": "toy", "streams": true, "admin": false,
        "params": { "required": ["game"], "properties": {
            "game": { "type": "string", "description": "Which." }, "times": { "type": ["integer", "null"] } } },
    }], "verbs": {} });
    let host = host().result("manager/methods", methods);
    let out = host.run(&["methods"]).ended(Exit::Ok).out;
    assert_eq!(
        words(&out, "toy/play"),
        ["toy/play", "play", "toy", "yes", "any", "Plays."]
    );
    let out = host.run(&["methods", "play"]).ended(Exit::Ok).out;
    assert_eq!(words(&out, "game"), ["game", "string", "yes", "Which."]);
    assert_eq!(words(&out, "times"), ["times", "integer|null", "no"]);
    let ran = host.run(&["methods", "toy/pley"]).ended(Exit::NotFound);
    assert!(ran.err.contains("did you mean `toy/play`?"));
}

#[test]
fn a_row_is_a_line_whatever_its_cells_hold() {
    let mut table = Table::new(&["a", ">b"]);
    table.row(Tone::Plain, ["x\ny\u{7}".to_owned(), "1".to_owned()]);
    table.row(Tone::Bad, ["z".to_owned(), "100".to_owned()]);
    assert_eq!(table.render(false), "a      b\nx y    1\nz    100\n");
}

#[test]
fn colours_are_whole_lines_and_only_where_they_can_be_seen() {
    let table = status::instance_table(&[instance("a")], None);
    assert!(table.render(true).contains("\u{1b}[32m"));
    assert!(!table.render(false).contains('\u{1b}'));
}
