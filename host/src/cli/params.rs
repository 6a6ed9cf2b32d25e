//! Parameters as people type them: `model=small options.num_ctx=4096 tags=["gpu"] code=@script.py`, or one JSON object.

pub(super) mod file;

use std::io::Read;

use serde_json::{Map, Value};

use super::Failure;

/// Reads parameters. One word that begins with `{` or `[` is all of them as JSON, `-` reads that from standard input.
/// Otherwise each word is `key=value`, a value being JSON where it is JSON and text otherwise, and a dotted key
/// leading into objects. `key=@FILE` is the text of a file (`@-` of standard input), `key=%FILE` its bytes in base64;
/// a key that ends with a dot takes the file's own name: `files.=@main.py`, `files.=%photo.png`. Text that begins with
/// either sign is written as JSON: `key='"@text"'`.
///
/// # Errors
/// A word is neither, the JSON is none, or a file cannot be read.
pub(super) fn parse(words: &[String], positional: Option<&str>) -> Result<Value, Failure> {
    match words {
        [only] if only.starts_with(['{', '[']) => json(only),
        [only] if only == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
            json(&text)
        }
        words => pairs(words, positional),
    }
}

fn json(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!("the parameters are not JSON: {error}"))
            .hint("write key=value, or '{\"key\": value}'")
    })
}

fn pairs(words: &[String], mut positional: Option<&str>) -> Result<Value, Failure> {
    let mut params = Map::new();
    for word in words {
        let (key, value) = match (word.split_once('='), positional) {
            (Some((key, value)), _) if is_key(key) => (key, value),
            (_, Some(name)) => {
                positional = None;
                params.insert(name.to_owned(), Value::String(word.clone()));
                continue;
            }
            _ => {
                return Err(Failure::usage(format!("`{word}` is no parameter"))
                    .hint("write key=value, or all of them as one JSON object"));
            }
        };
        match (file::named(value)?, key.strip_suffix('.')) {
            (Some(file), Some(table)) => insert_in(&mut params, table, file.entry())?,
            (Some(file), None) => insert(&mut params, key, file.value())?,
            (None, Some(_)) => {
                return Err(Failure::usage(format!("`{word}` names no file"))
                    .hint("a key that ends with a dot is for files: files.=@main.py"));
            }
            (None, None) => {
                let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
                insert(&mut params, key, value)?;
            }
        }
    }
    Ok(Value::Object(params))
}

/// A name, or names with dots between them, and perhaps a dot behind.
fn is_key(text: &str) -> bool {
    text.strip_suffix('.').unwrap_or(text).split('.').all(|part| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'))
    })
}

/// Into the table that the key leads to, under a name that may hold dots.
fn insert_in(params: &mut Map<String, Value>, key: &str, entry: (String, Value)) -> Result<(), Failure> {
    let (first, rest) = key
        .split_once('.')
        .map_or((key, None), |(first, rest)| (first, Some(rest)));
    match params.entry(first).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(inner) => match rest {
            Some(rest) => insert_in(inner, rest, entry),
            None => {
                inner.insert(entry.0, entry.1);
                Ok(())
            }
        },
        _ => Err(Failure::usage(format!(
            "`{first}` is given as a value and as an object"
        ))),
    }
}

fn insert(params: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), Failure> {
    let Some((table, rest)) = key.split_once('.') else {
        params.insert(key.to_owned(), value);
        return Ok(());
    };
    match params.entry(table).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(inner) => insert(inner, rest, value),
        _ => Err(Failure::usage(format!(
            "`{table}` is given as a value and as an object"
        ))),
    }
}
