//! What a frame says: nothing yet, something, a failure, or the end.

use std::sync::Arc;

use plugin_api::manifest::{Framing, Relay};
use serde_json::Value;

/// The rules of one relay, applied to frames.
#[derive(Debug, Clone)]
pub struct Judge {
    relay: Arc<Relay>,
}

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not a frame: a blank line, a comment, an event's name.
    Nothing,
    /// A frame without anything a client could not do without, such as a role.
    Preamble,
    /// A frame that commits the answer.
    Meaningful,
    /// The last frame of a complete answer.
    Done,
    /// A failure in the guise of an answer, with what it says.
    Failure(String),
    /// Not what the framing promises.
    Garbage,
}

impl Judge {
    /// A judge by these rules.
    pub fn new(relay: Arc<Relay>) -> Self {
        Self { relay }
    }

    /// How the answer is cut into frames when it is a stream.
    pub fn framing(&self) -> Framing {
        self.relay.framing
    }

    /// Whether the rules say how a complete stream ends.
    pub fn knows_the_end(&self) -> bool {
        !self.relay.done.is_empty() || self.relay.done_text.is_some()
    }

    /// Whether this status means "not here, perhaps elsewhere".
    pub fn is_elsewhere(&self, status: u16) -> bool {
        self.relay.elsewhere.contains(&status)
    }

    /// The place of the model's name, if frames carry one.
    pub fn model(&self) -> Option<&str> {
        self.relay.model.as_deref()
    }

    /// Judges one line of a stream.
    pub fn line(&self, line: &[u8]) -> Verdict {
        let Some(payload) = payload(self.relay.framing, line) else {
            return Verdict::Nothing;
        };
        if self
            .relay
            .done_text
            .as_deref()
            .is_some_and(|text| text.as_bytes() == payload)
        {
            return Verdict::Done;
        }
        match serde_json::from_slice::<Value>(payload) {
            Ok(frame) => self.frame(&frame),
            Err(_) => Verdict::Garbage,
        }
    }

    /// Judges a frame.
    pub fn frame(&self, frame: &Value) -> Verdict {
        if let Some(failure) = first(&self.relay.failure, frame, |value| !value.is_null()) {
            return Verdict::Failure(sentence(failure));
        }
        if first(&self.relay.done, frame, |value| *value == Value::Bool(true)).is_some() {
            return Verdict::Done;
        }
        if self.relay.meaningful.is_empty() || first(&self.relay.meaningful, frame, says_something).is_some()
        {
            return Verdict::Meaningful;
        }
        Verdict::Preamble
    }

    /// The failure that a whole body confesses in spite of its good status.
    pub fn whole(&self, body: &[u8]) -> Option<String> {
        let named = |place: &String| {
            let key = place.rsplit('/').next().unwrap_or(place);
            memchr::memmem::find(body, key.as_bytes()).is_some()
        };
        // Parsing every answer to find nothing would cost more than the rest of the relay.
        if !self.relay.failure.iter().any(named) {
            return None;
        }
        let frame: Value = serde_json::from_slice(body).ok()?;
        first(&self.relay.failure, &frame, |value| !value.is_null()).map(sentence)
    }
}

/// The JSON in a line, or `None` where the line is no frame.
pub(super) fn payload(framing: Framing, line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii();
    let payload = match framing {
        Framing::Sse => line.strip_prefix(b"data:")?.trim_ascii(),
        Framing::Ndjson | Framing::Whole => line,
    };
    (!payload.is_empty()).then_some(payload)
}

fn first<'a>(places: &[String], frame: &'a Value, wanted: impl Fn(&Value) -> bool) -> Option<&'a Value> {
    places
        .iter()
        .filter_map(|place| frame.pointer(place))
        .find(|value| wanted(value))
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Failures are told as a text, or as an object with one.
fn sentence(failure: &Value) -> String {
    match failure {
        Value::String(text) => text.clone(),
        other => other
            .get("message")
            .and_then(Value::as_str)
            .map_or_else(|| other.to_string(), str::to_owned),
    }
}
