//! Results that cannot be written: a script must not take them for the empty result.

use std::fs::OpenOptions;
use std::io::{self, Write};

use serde_json::json;

use super::fixture::{command_to, host};
use crate::cli::Exit;

/// A disk without room.
fn full() -> Box<dyn Write + Send> {
    Box::new(OpenOptions::new().write(true).open("/dev/full").unwrap())
}

/// A reader that has gone.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_command_that_prints_fails_where_its_result_is_lost() {
    let host = host()
        .result("manager/status", json!({ "hubs": [], "providers": [] }))
        .result("manager/instances", json!([]))
        .result("manager/methods", json!({ "methods": [], "verbs": { "x": {} } }))
        .result("llm/chat", json!({ "text": "hi" }));
    let url = host.url();
    let commands: [&[&str]; 8] = [
        &["status", "--json"],
        &["instances", "--json"],
        &["methods", "--json"],
        &["hub", "x"],
        &["call", "llm/chat"],
        &["schema"],
        &["completions", "bash"],
        &["--help"],
    ];
    for command in commands {
        let ran = command_to(full(), &[&["--url", &url], command].concat()).ended(Exit::Failed);
        assert!(
            ran.err.contains("could not be written") && ran.err.contains("No space left"),
            "{command:?}: {}",
            ran.err
        );
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    command_to(Box::new(Gone), &["schema"]).ended(Exit::Ok);
}
