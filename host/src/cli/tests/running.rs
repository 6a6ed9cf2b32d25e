//! Methods and verbs that run something: files as arguments, output as text, failures as exit codes.

use serde_json::{Value, json};

use super::fixture::host;
use crate::cli::Exit;

#[test]
fn files_are_arguments_as_text_or_in_base64() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("main.py"), "print(1)\n").unwrap();
    std::fs::write(path("raw.bin"), [0, 159, 146, 150]).unwrap();
    let host = host().result("m", json!(1));
    let (script, raw) = (path("main.py"), path("raw.bin"));
    host.run(&[
        "call",
        "m",
        &format!("code=@{script}"),
        &format!("stdin.base64=%{raw}"),
        &format!("files.=@{script}"),
        &format!("files.=%{raw}"),
        "text=\"@me\"",
    ])
    .ended(Exit::Ok);
    assert_eq!(
        host.asked().body["params"],
        json!({
            "code": "print(1)\n",
            "stdin": { "base64": "AJ+Slg==" },
            "files": { "main.py": "print(1)\n", "raw.bin": { "base64": "AJ+Slg==" } },
            "text": "@me",
        })
    );
    let ran = host
        .run(&["call", "m", &format!("code=@{raw}")])
        .ended(Exit::Usage);
    assert!(ran.err.contains("is no text"), "{}", ran.err);
    host.run(&["call", "m", "code=@/nowhere"]).ended(Exit::Usage);
    host.run(&["call", "m", "files.=text"]).ended(Exit::Usage);
}

fn ran(success: bool) -> Value {
    json!({
        "success": success, "outcome": "exception", "stdout": "out\n", "stderr": "warn\n", "result": { "a": 1 },
        "error": if success { Value::Null } else { json!("ValueError: no") },
        "files": [{ "name": "plot.svg", "size": 5, "base64": "aGVsbG8=" }],
    })
}

#[test]
fn what_a_process_says_goes_where_it_would_have_gone() {
    let host = host().result("run", ran(true));
    let shown = host.run(&["call", "run"]).ended(Exit::Ok);
    assert_eq!(shown.out, "out\n{\n  \"a\": 1\n}\n");
    assert_eq!(shown.err, "warn\nfile: plot.svg (5 bytes; --json shows it)\n");
    assert_eq!(
        host.run(&["--json", "call", "run"]).ended(Exit::Ok).json(),
        ran(true)
    );
}

#[test]
fn a_result_that_says_it_failed_has_failed() {
    let host = host()
        .result("run", ran(false))
        .result("pull", json!({ "success": false, "model": "x" }))
        .result("odd", json!({ "success": "no" }));
    let shown = host.run(&["call", "run"]).ended(Exit::Failed);
    assert!(shown.err.contains("error: ValueError: no"), "{}", shown.err);
    host.run(&["--json", "call", "run"]).ended(Exit::Failed);
    host.run(&["call", "pull"]).ended(Exit::Failed);
    host.run(&["call", "odd"]).ended(Exit::Ok);
}

#[test]
fn a_stream_is_printed_as_text_while_it_comes() {
    let items = [
        json!({ "stdout": "1\n" }),
        json!({ "stderr": "careful\n" }),
        json!({ "stdout": "2" }),
        json!({ "image": { "format": "png" } }),
        json!({ "done": true, "success": false, "result": 7, "error": "exit status 3" }),
    ];
    let host = host().items("run", &items);
    let shown = host.run(&["call", "run", "--stream"]).ended(Exit::Failed);
    assert_eq!(shown.out, "1\n2{\"image\":{\"format\":\"png\"}}\n7\n");
    assert_eq!(shown.err, "careful\nerror: exit status 3\n");
    let shown = host
        .run(&["--json", "call", "run", "--stream"])
        .ended(Exit::Failed);
    assert_eq!(shown.out.lines().count(), items.len());
}

/// A host whose hub `boxes` knows `exec`, and answers it like this.
fn executing(items: &[Value]) -> super::fixture::FakeHost {
    let verbs =
        json!({ "boxes": { "exec": { "description": "Run.", "positional": "command", "arguments": {} } } });
    host()
        .result("manager/methods", json!({ "methods": [], "verbs": verbs }))
        .items("manager/control", items)
}

#[test]
fn a_verbs_output_is_printed_as_text_while_it_comes() {
    let items = [
        json!({ "instance": "box", "progress": { "stdout": "hello\n" } }),
        json!({ "instance": "box", "progress": { "stderr": "oh\n" } }),
        json!({ "instance": "box", "progress": { "status": "running" } }),
        json!({ "results": { "box": { "ok": { "success": false, "exit_code": 3 } } } }),
    ];
    let shown = executing(&items)
        .run(&["hub", "boxes", "exec", "ls"])
        .ended(Exit::Failed);
    assert!(shown.out.starts_with("hello\n"), "{}", shown.out);
    assert_eq!(shown.err, "oh\n");
    assert!(shown.out.contains("failed"), "{}", shown.out);
}

#[test]
fn a_verb_that_answers_with_output_prints_it() {
    let items =
        [json!({ "results": { "box": { "ok": { "success": true, "stdout": "hello\n", "stderr": "" } } } })];
    let shown = executing(&items)
        .run(&["hub", "boxes", "exec", "ls"])
        .ended(Exit::Ok);
    assert_eq!(shown.out, "hello\n");
}
