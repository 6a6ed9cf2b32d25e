//! Command lines that are wrong, and parameters as people type them.

use clap::CommandFactory;
use serde_json::{Value, json};

use super::fixture::{command, host};
use crate::cli::{Cli, Exit, params};

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[track_caller]
fn parsed(typed: &[&str]) -> Value {
    params::parse(&words(typed), None).unwrap()
}

#[test]
fn the_commands_fit_together() {
    Cli::command().debug_assert();
}

#[test]
fn a_value_is_json_where_it_is_json_and_text_otherwise() {
    assert_eq!(
        parsed(&[
            "model=small",
            "n=3",
            "on=true",
            "tags=[\"a\"]",
            "empty=",
            "text=a=b"
        ]),
        json!({ "model": "small", "n": 3, "on": true, "tags": ["a"], "empty": "", "text": "a=b" })
    );
}

#[test]
fn dotted_keys_lead_into_objects() {
    assert_eq!(
        parsed(&["options.num_ctx=1", "options.seed=2"]),
        json!({ "options": { "num_ctx": 1, "seed": 2 } })
    );
    assert!(params::parse(&words(&["a=1", "a.b=2"]), None).is_err());
}

#[test]
fn one_json_object_is_all_parameters() {
    assert_eq!(parsed(&["{\"a\": {\"b\": 1}}"]), json!({ "a": { "b": 1 } }));
    assert_eq!(parsed(&[]), json!({}));
}

#[test]
fn what_is_no_parameter_is_a_mistake_with_a_way_out() {
    for wrong in [&["word"][..], &["{broken"], &["=1"], &["a b=1"]] {
        let failure = params::parse(&words(wrong), None).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.hint.is_some(), "{failure:?}");
    }
}

#[test]
fn the_first_argument_of_a_verb_needs_no_name() {
    let parse = |typed: &[&str]| params::parse(&words(typed), Some("model"));
    assert_eq!(
        parse(&["small:1b", "force=true"]).unwrap(),
        json!({ "model": "small:1b", "force": true })
    );
    assert_eq!(parse(&["model=small"]).unwrap(), json!({ "model": "small" }));
    assert_eq!(
        parse(&["http://x/y?z=1"]).unwrap(),
        json!({ "model": "http://x/y?z=1" })
    );
    assert!(parse(&["one", "two"]).is_err());
}

#[test]
fn a_wrong_command_line_ends_with_the_code_for_that() {
    let ran = command(&["stats"]).ended(Exit::Usage);
    assert!(ran.err.contains("status"), "{}", ran.err);
    assert!(ran.out.is_empty());
    command(&["call"]).ended(Exit::Usage);
    command(&["status", "--watch=soon"]).ended(Exit::Usage);
    command(&["--url", "nonsense", "status"]).ended(Exit::Usage);
    command(&["hub", "x", "y", "--all", "--count", "2"]).ended(Exit::Usage);
}

#[test]
fn help_lists_the_commands_and_the_exit_codes_on_standard_output() {
    let ran = command(&["--help"]).ended(Exit::Ok);
    for word in [
        "call",
        "status",
        "instances",
        "hub",
        "allocate",
        "allocations",
        "renew",
        "release",
        "scale",
        "optimise",
        "totals",
        "events",
        "methods",
        "plugin",
        "check",
        "schema",
        "doctor",
    ] {
        assert!(ran.out.contains(word), "{word} is missing in\n{}", ran.out);
    }
    assert!(ran.out.contains("no host answers"));
    assert!(
        command(&["--version"])
            .ended(Exit::Ok)
            .out
            .starts_with("gleitzeit ")
    );
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = command(&["completions", shell]).ended(Exit::Ok);
        assert!(ran.out.contains("instances"), "{shell}");
    }
}

#[test]
fn a_key_comes_from_a_flag_or_a_file_and_goes_to_the_host() {
    let host = host().result("m", json!(1));
    host.run(&["--key", "abc", "call", "m"]).ended(Exit::Ok);
    assert_eq!(host.asked().headers["authorization"], "Bearer abc");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "def\n").unwrap();
    host.run(&["--key-file", file.path().to_str().unwrap(), "call", "m"])
        .ended(Exit::Ok);
    assert_eq!(host.asked().headers["authorization"], "Bearer def");
    host.run(&["call", "m"]).ended(Exit::Ok);
    assert!(!host.asked().headers.contains_key("authorization"));
    host.run(&["--key-file", "/nowhere/at/all", "call", "m"])
        .ended(Exit::Usage);
}
