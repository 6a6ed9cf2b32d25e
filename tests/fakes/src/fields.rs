//! Request bodies, read as Ollama reads them: unknown fields ignored, wrong types refused in the words of Go.
//!
//! Other servers word it otherwise, but no client depends on how, so the words serve both fakes.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::reply::Refusal;

/// The fields of a request body. A field that is null counts as absent.
#[derive(Debug)]
pub(crate) struct Fields {
    of: &'static str,
    map: Map<String, Value>,
}

impl Fields {
    /// Reads a body; `of` is the Go type it would be decoded into, which errors name.
    pub(crate) fn read(body: &Bytes, of: &'static str) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self { of, map }),
            Ok(other) => Err(Refusal::bad(format!(
                "json: cannot unmarshal {} into Go value of type {of}",
                kind(&other)
            ))),
            Err(error) if error.is_eof() => Err(Refusal::bad("unexpected EOF")),
            Err(error) => {
                let line = body
                    .split(|byte| *byte == b'\n')
                    .nth(error.line().saturating_sub(1))
                    .unwrap_or_default();
                let at = line
                    .get(error.column().saturating_sub(1))
                    .copied()
                    .unwrap_or(b' ');
                Err(Refusal::bad(format!(
                    "invalid character '{}' looking for beginning of value",
                    char::from(at)
                )))
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// A string; empty if absent.
    pub(crate) fn text(&self, name: &str) -> Result<&str, Refusal> {
        match self.get(name) {
            None => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(self.mistyped(name, other, "string")),
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.mistyped(name, other, "bool")),
        }
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_i64()
                .map(Some)
                .ok_or_else(|| self.mistyped(name, value, "int")),
        }
    }

    /// An array; empty if absent.
    pub(crate) fn list(&self, name: &str) -> Result<&[Value], Refusal> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(self.mistyped(name, other, "[]interface {}")),
        }
    }

    fn mistyped(&self, name: &str, value: &Value, wanted: &str) -> Refusal {
        let (of, kind) = (self.of.rsplit('.').next().unwrap_or(self.of), kind(value));
        Refusal::bad(format!(
            "json: cannot unmarshal {kind} into Go struct field {of}.{name} of type {wanted}"
        ))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(body: &'static str) -> String {
        let fields = Fields::read(&Bytes::from_static(body.as_bytes()), "api.ChatRequest");
        fields
            .and_then(|fields| fields.text("model").map(str::to_owned))
            .unwrap_err()
            .why
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_go() {
        assert_eq!(why("{"), "unexpected EOF");
        assert_eq!(
            why("{\"model\": oops}"),
            "invalid character 'o' looking for beginning of value"
        );
        assert_eq!(
            why("[]"),
            "json: cannot unmarshal array into Go value of type api.ChatRequest"
        );
        let expected = "json: cannot unmarshal number into Go struct field ChatRequest.model of type string";
        assert_eq!(why("{\"model\": 7}"), expected);
    }
}
