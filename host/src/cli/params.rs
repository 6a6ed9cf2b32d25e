//! Parameters as people type them: `model=small options.num_ctx=4096 tags=["gpu"]`, or one JSON object.

use std::io::Read;

use serde_json::{Map, Value};

use super::Failure;

/// Reads parameters. One word that begins with `{` or `[` is all of them as JSON, `-` reads that from standard input.
/// Otherwise each word is `key=value`, a value being JSON where it is JSON and text otherwise, and a dotted key
/// leading into objects.
///
/// # Errors
/// A word is neither, or the JSON is none.
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
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        insert(&mut params, key, value)?;
    }
    Ok(Value::Object(params))
}

/// A name, or names with dots between them.
fn is_key(text: &str) -> bool {
    text.split('.').all(|part| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'))
    })
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
