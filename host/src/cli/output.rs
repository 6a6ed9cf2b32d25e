//! What a process said, wherever it ran: shown as if it had run here.
//!
//! A result or an item of a stream with `stdout` or `stderr` in it is the outcome of running something, whichever
//! method or verb it came from. Text goes where it would have gone, and a result that says `"success": false` is a
//! failure of the command.

use serde_json::{Map, Value};

use super::table::{Tone, one_line};
use super::{Exit, Terminal};

/// How a command ended whose result is this: an object that says `"success": false` has failed.
pub(super) fn exit_of(result: &Value) -> Exit {
    match result.get("success") {
        Some(Value::Bool(false)) => Exit::Failed,
        _ => Exit::Ok,
    }
}

/// Prints what an item of a stream has for standard output and standard error; `false` if it is not of that kind.
pub(super) fn said(item: &Value, terminal: &mut Terminal) -> bool {
    let Some(item) = item.as_object() else {
        return false;
    };
    let pieces = item
        .iter()
        .all(|(key, value)| is_stream(key) && value.is_string());
    if item.is_empty() || !pieces {
        return false;
    }
    streams(item, terminal);
    true
}

/// Prints the outcome of running something: what it said, then what came of it. `false` if it is not of that kind.
/// `ended` is true for the last item of a stream, which has been said already.
pub(super) fn outcome(result: &Value, ended: bool, terminal: &mut Terminal) -> bool {
    let Some(object) = result.as_object() else {
        return false;
    };
    let of_a_run = object.get("success").is_some_and(Value::is_boolean)
        && (ended || object.keys().any(|key| is_stream(key)));
    if !of_a_run {
        return false;
    }
    streams(object, terminal);
    match object.get("result") {
        None | Some(Value::Null) => {}
        Some(value) => terminal.value(value),
    }
    for file in object
        .get("files")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let (name, size) = (file["name"].as_str().unwrap_or("?"), &file["size"]);
        terminal.note(format!(
            "file: {} ({size} bytes; --json shows it)",
            one_line(name)
        ));
    }
    let images = object.get("images").and_then(Value::as_array).map_or(0, Vec::len);
    if images > 0 {
        terminal.note(format!("images: {images} (--json shows them)"));
    }
    for about in ["result_error", "error"] {
        if let Some(text) = object.get(about).and_then(Value::as_str) {
            let word = terminal.paint("error:", Tone::Bad);
            terminal.note(format!("{word} {}", one_line(text)));
        }
    }
    true
}

fn is_stream(key: &str) -> bool {
    matches!(key, "stdout" | "stderr")
}

fn streams(from: &Map<String, Value>, terminal: &mut Terminal) {
    if let Some(text) = from.get("stdout").and_then(Value::as_str) {
        terminal.print(text);
    }
    if let Some(text) = from.get("stderr").and_then(Value::as_str) {
        terminal.print_err(text);
    }
}
