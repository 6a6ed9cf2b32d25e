//! Allocations, scaling, totals, hubs that come and go, and events.

use serde_json::{Value, json};

use super::fixture::host;
use crate::cli::Exit;

fn allocation() -> Value {
    json!({
        "allocation": "alloc-1", "principal": "alice", "expires_in_ms": 299_999,
        "resources": [
            { "hub": "models", "instance": "gpu1", "url": "http://gpu1", "exclusive": true, "lost": null },
            { "hub": "boxes", "instance": "box", "url": null, "exclusive": false, "lost": "unhealthy" },
        ],
    })
}

#[test]
fn what_is_wanted_is_written_in_words() {
    let host = host().result("manager/allocate", allocation());
    let ran = host
        .run(&[
            "allocate",
            "container",
            "hub=models,capability=small,tag=gpu,tag=big,exclusive",
            "{\"instance\":\"gpu2\"}",
            "--ttl",
            "10m",
            "--timeout",
            "0s",
        ])
        .ended(Exit::Ok);
    assert_eq!(
        host.asked().body["params"],
        json!({
            "resources": [
                { "kind": "container" },
                { "hub": "models", "capability": "small", "tags": ["gpu", "big"], "exclusive": true },
                { "instance": "gpu2" },
            ],
            "ttl": "10m", "timeout": "0s",
        })
    );
    assert!(ran.out.starts_with("alloc-1 expires in 5m\n"), "{}", ran.out);
    assert!(
        ran.out.contains("gpu1") && ran.out.contains("exclusive"),
        "{}",
        ran.out
    );
    assert_eq!(
        host.run(&["--json", "allocate", "container"]).json(),
        allocation()
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{ \"command\": [\"a\", \"b\"] }").unwrap();
    let want = format!("kind=container,specification=@{}", file.path().display());
    host.run(&["allocate", &want]).ended(Exit::Ok);
    assert_eq!(
        host.asked().body["params"]["resources"],
        json!([{ "kind": "container", "specification": { "command": ["a", "b"] } }])
    );
    host.run(&["allocate", "kind=container,specification=nonsense"])
        .ended(Exit::Usage);
    host.run(&["allocate"]).ended(Exit::Usage);
    host.run(&["allocate", "container,process"]).ended(Exit::Usage);
    host.run(&["allocate", "{nonsense"]).ended(Exit::Usage);
}

#[test]
fn nothing_free_is_an_exit_code_of_its_own() {
    let host = host().error(
        "manager/allocate",
        -31004,
        "resource 1: it did not become free in time",
        json!({}),
    );
    let ran = host.run(&["allocate", "container"]).ended(Exit::Unavailable);
    assert!(ran.err.contains("resource 1"), "{}", ran.err);
}

#[test]
fn allocations_are_listed_renewed_and_released() {
    let host = host()
        .result("manager/allocations", json!([allocation()]))
        .result("manager/renew", allocation())
        .result("manager/release", json!({ "released": true }));
    let ran = host.run(&["allocations"]).ended(Exit::Ok);
    assert!(
        ran.out.contains("alice") && ran.out.contains("lost: unhealthy"),
        "{}",
        ran.out
    );
    host.run(&["renew", "alloc-1", "--ttl", "1h"]).ended(Exit::Ok);
    assert_eq!(
        host.asked().body["params"],
        json!({ "allocation": "alloc-1", "ttl": "1h" })
    );
    host.run(&["release", "alloc-1", "--discard"]).ended(Exit::Ok);
    assert_eq!(
        host.asked().body["params"],
        json!({ "allocation": "alloc-1", "discard": true })
    );
}

#[test]
fn status_shows_what_is_allocated() {
    let host = host().result(
        "manager/status",
        json!({ "version": "1", "allocations": [allocation()] }),
    );
    let ran = host.run(&["status"]).ended(Exit::Ok);
    assert!(
        ran.out.contains("alloc-1") && ran.out.contains("exclusive"),
        "{}",
        ran.out
    );
}

#[test]
fn no_allocations_are_no_failure() {
    let host = host().result("manager/allocations", json!([]));
    let ran = host.run(&["allocations"]).ended(Exit::Ok);
    assert!(ran.out.is_empty() && ran.err.contains("nothing is allocated"));
}

#[test]
fn a_hub_is_scaled() {
    let scaled = json!({ "hub": "models", "started": { "started": 2, "starting": 1, "stopping": 0 } });
    let host = host().result("manager/scale", scaled);
    let ran = host
        .run(&["scale", "models", "--started", "2", "--start", "{\"port\":2}"])
        .ended(Exit::Ok);
    assert_eq!(
        host.asked().body["params"],
        json!({ "hub": "models", "started": 2, "start": [{ "port": 2 }] })
    );
    assert_eq!(ran.out, "models: 2 are kept started (1 starting, 0 stopping)\n");
    host.run(&["scale", "models", "--start", "nonsense"])
        .ended(Exit::Usage);
}

#[test]
fn hubs_come_and_go() {
    let host = host()
        .result("manager/add_hub", json!({ "hub": "more" }))
        .result("manager/remove_hub", json!({ "hub": "more", "cut_short": true }));
    let ran = host
        .run(&[
            "hub",
            "add",
            "more",
            "strategy=random",
            "config.auto=false",
            "--plugin",
            "x-hub",
            "--provider",
            "p",
        ])
        .ended(Exit::Ok);
    assert_eq!(ran.out, "added: more\n");
    assert_eq!(
        host.asked().body["params"],
        json!({
            "hub": "more", "plugin": "x-hub", "providers": ["p"],
            "settings": { "strategy": "random", "config": { "auto": false } },
        })
    );
    let ran = host
        .run(&["hub", "remove", "more", "--force", "--timeout", "1m"])
        .ended(Exit::Ok);
    assert_eq!(
        host.asked().body["params"],
        json!({ "hub": "more", "force": true, "timeout": "1m" })
    );
    assert!(ran.err.contains("cut short"), "{}", ran.err);
    host.run(&["hub"]).ended(Exit::Usage);
}

#[test]
fn findings_say_why_and_what_to_do() {
    let findings = json!({ "applied": false, "findings": [
        { "kind": "hot", "hub": "models", "why": "3 requests wait", "advice": "start one more", "safe": true },
        { "kind": "stuck", "hub": "models", "instance": "gpu1", "why": "it fails", "advice": "see to it", "safe": true,
          "done": "asked it how it is" },
    ]});
    let host = host().result("manager/optimise", findings);
    let ran = host.run(&["optimise", "--apply"]).ended(Exit::Ok);
    assert_eq!(host.asked().body["params"], json!({ "hub": null, "apply": true }));
    assert_eq!(
        ran.out,
        "hot: models: 3 requests wait\n  do: start one more (--apply does it)\n\
         stuck: models/gpu1: it fails\n  done: asked it how it is\n"
    );
}

#[test]
fn totals_are_a_line_for_each_hub_and_one_for_all() {
    let metrics = json!({ "routable": 1, "in_flight": 2, "queue_depth": 3, "outcomes": { "success": 7 }, "latency": { "p50_ms": 12.4 } });
    let totals = json!({
        "hubs": { "total": 1, "each": [{ "name": "models", "kind": "llm-server", "instances": 1, "allocated": 1, "metrics": metrics }] },
        "instances": { "total": 1, "routable": 1 }, "in_flight": 2, "leases": { "allocated": 1 }, "queue_depth": 3,
        "requests": { "outcomes": { "success": 7 }, "latency": { "p50_ms": 12.4 } },
        "allocations": { "active": 1, "total": 4, "failed": 2, "released": 2, "expired": 1, "lost": 0 },
    });
    let host = host().result("manager/totals", totals.clone());
    let ran = host.run(&["totals"]).ended(Exit::Ok);
    assert!(ran.out.contains("12 ms"), "{}", ran.out);
    assert!(ran.out.contains("1 active, 4 total, 2 failed"), "{}", ran.out);
    assert_eq!(host.run(&["totals", "--json"]).json(), totals);
}

#[test]
fn events_are_shown_as_they_come() {
    let event = |id: &str, kind: &str| {
        let data = json!({ "id": id, "kind": kind, "hub": "models", "instance": "gpu1", "at": "2026-01-01T00:00:00Z",
            "data": { "reason": "it\nfails", "until": null } });
        format!("id: {id}\nevent: {kind}\ndata: {data}\n\n")
    };
    let text = format!(
        ": following\n\n{}event: lost\ndata: {{\"lost\":3}}\n\n{}",
        event("1-1", "circuit_opened"),
        event("1-5", "circuit_closed")
    );
    let host = host().events("/events", &text);
    let ran = host
        .run(&[
            "events",
            "--kind",
            "circuit_opened",
            "--hub",
            "models",
            "--after",
            "1-0",
            "--count",
            "3",
        ])
        .ended(Exit::Ok);
    assert_eq!(
        ran.out,
        "2026-01-01T00:00:00Z  circuit_opened  models/gpu1  reason=it fails\n\
         lost: 3 events are not kept any more\n\
         2026-01-01T00:00:00Z  circuit_closed  models/gpu1  reason=it fails\n"
    );
    assert_eq!(
        host.asked().body["params"],
        "kind=circuit_opened&hub=models&after=1-0"
    );
    let ran = host.run(&["--json", "events"]).ended(Exit::Unreachable);
    assert_eq!(ran.out.lines().count(), 3);
    let ran = host.run(&["events"]).ended(Exit::Unreachable);
    assert!(ran.err.contains("--after 1-5"), "{}", ran.err);
}

#[test]
fn events_that_are_refused_say_why() {
    let body = json!({ "error": { "code": -31006, "message": "no key", "fault": "client" } }).to_string();
    let host = host().raw("/events", 401, "application/json", &body);
    let ran = host.run(&["events"]).ended(Exit::Denied);
    assert!(ran.err.contains("no key"), "{}", ran.err);
}
