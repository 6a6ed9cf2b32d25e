//! `hub`: a hub's own verbs.

use serde_json::{Value, json};

use super::fixture::{FakeHost, host};
use crate::cli::Exit;

/// A host whose hub `gpus` knows `pull`, and answers it like this.
fn pulling(items: &[Value]) -> FakeHost {
    let verbs = json!({ "gpus": {
        "pull": {
            "description": "Fetch a model.", "positional": "model", "read_only": false,
            "arguments": { "properties": { "model": { "type": "string" }, "insecure": { "type": "boolean" } } },
        },
    }});
    host()
        .result("manager/methods", json!({ "methods": [], "verbs": verbs }))
        .items("manager/control", items)
}

fn done() -> Vec<Value> {
    vec![
        json!({ "instance": "a", "progress": { "status": "downloading", "completed": 5, "total": 10 } }),
        json!({ "instance": "b", "progress": { "status": "waiting" } }),
        json!({ "results": { "a": { "ok": { "status": "success" } }, "b": { "ok": null } } }),
    ]
}

#[test]
fn a_verb_is_sent_with_its_arguments_and_its_result_is_shown() {
    let host = pulling(&done());
    let ran = host
        .run(&["hub", "gpus", "pull", "small", "insecure=true"])
        .ended(Exit::Ok);
    assert_eq!(
        host.asked().body["params"],
        json!({ "hub": "gpus", "verb": "pull", "arguments": { "model": "small", "insecure": true }, "selection": null })
    );
    assert!(ran.out.contains("success"), "{}", ran.out);
    assert_eq!(ran.out.matches("done").count(), 2, "{}", ran.out);
}

#[test]
fn instances_are_selected_by_id_tag_number_or_all() {
    let host = pulling(&done());
    let cases = [
        (
            &["--instance", "a", "--instance", "b"][..],
            json!({ "instances": ["a", "b"] }),
        ),
        (&["--tag", "gpu"], json!({ "tag": "gpu" })),
        (&["--count", "2"], json!({ "count": 2 })),
        (&["--all"], json!("all")),
    ];
    for (flags, selection) in cases {
        host.run(&[&["hub", "gpus", "pull", "small"], flags].concat())
            .ended(Exit::Ok);
        assert_eq!(host.asked().body["params"]["selection"], selection);
        let known: plugin_api::host::Selection = serde_json::from_value(selection).unwrap();
        drop(known);
    }
}

#[test]
fn one_failure_is_enough_and_its_kind_is_the_exit_code() {
    let failed = json!({ "error": { "code": -30003, "fault": "instance", "message": "is down" } });
    let host = pulling(&[json!({ "results": { "a": { "ok": null }, "b": failed } })]);
    let ran = host
        .run(&["hub", "gpus", "pull", "small"])
        .ended(Exit::Unavailable);
    assert!(
        ran.out.contains("failed") && ran.out.contains("is down"),
        "{}",
        ran.out
    );
    let other = json!({ "error": { "code": -30011, "message": "no such model" } });
    let host = pulling(&[json!({ "results": { "a": other, "b": failed } })]);
    host.run(&["hub", "gpus", "pull", "small"]).ended(Exit::Failed);
}

#[test]
fn scripts_get_progress_and_results_line_by_line() {
    let host = pulling(&done());
    let ran = host
        .run(&["--json", "hub", "gpus", "pull", "small"])
        .ended(Exit::Ok);
    let lines: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, done());
}

#[test]
fn without_a_verb_the_hubs_verbs_are_listed() {
    let ran = pulling(&[]).run(&["hub", "gpus"]).ended(Exit::Ok);
    assert!(ran.out.contains("MODEL insecure=…"), "{}", ran.out);
    assert!(ran.out.contains("Fetch a model."));
}

#[test]
fn a_hub_or_a_verb_that_is_not_there_is_told_with_the_nearest() {
    let host = pulling(&[]);
    let ran = host.run(&["hub", "gpu", "pull"]).ended(Exit::NotFound);
    assert!(ran.err.contains("did you mean `gpus`?"), "{}", ran.err);
    let ran = host.run(&["hub", "gpus", "pul"]).ended(Exit::Usage);
    assert!(ran.err.contains("did you mean `pull`?"), "{}", ran.err);
}

#[test]
fn a_large_result_of_one_instance_is_shown_whole() {
    let large = json!({ "details": "x".repeat(200) });
    let host = pulling(&[json!({ "results": { "a": { "ok": large } } })]);
    assert_eq!(
        host.run(&["hub", "gpus", "pull", "small"]).ended(Exit::Ok).json(),
        large
    );
}

#[test]
fn results_that_are_lists_are_tables() {
    let of = |model: &str| json!({ "ok": [{ "model": model, "size": 1_500 }] });
    let failed = json!({ "error": { "code": -30003, "fault": "instance", "message": "is down" } });
    let host = pulling(&[json!({ "results": { "a": of("small"), "b": of("large"), "c": failed } })]);
    let ran = host
        .run(&["hub", "gpus", "pull", "small"])
        .ended(Exit::Unavailable);
    let lines: Vec<Vec<&str>> = ran
        .out
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["instance", "model", "size"], "{}", ran.out);
    assert_eq!(lines[1], ["a", "small", "1.5", "kB"]);
    assert_eq!(lines[2], ["b", "large", "1.5", "kB"]);
    assert_eq!(
        lines.last().map(|line| line[..2].to_vec()),
        Some(vec!["c", "failed"])
    );
    let alone = pulling(&[json!({ "results": { "a": of("small") } })]);
    let ran = alone.run(&["hub", "gpus", "pull", "small"]).ended(Exit::Ok);
    assert_eq!(
        ran.out.lines().next().map(str::trim_end),
        Some("model    size"),
        "{}",
        ran.out
    );
    let scripts = alone
        .run(&["hub", "gpus", "pull", "small", "--json"])
        .ended(Exit::Ok);
    assert_eq!(scripts.json()["results"]["a"], of("small"));
}
