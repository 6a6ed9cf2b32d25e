//! The answer of generate, chat and vision, put together from pieces of either dialect.

use serde_json::{Map, Value, json};

use super::generate::Kind;

/// What one frame of an answer says, in no dialect.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Piece {
    pub text: String,
    pub thinking: String,
    pub tool_calls: Option<Value>,
    /// Why the model ended, once it has.
    pub finish: Option<String>,
    /// Counts and durations, under our names.
    pub facts: Map<String, Value>,
}

/// An answer that grows.
#[derive(Debug)]
pub(super) struct Answer {
    kind: Kind,
    model: String,
    instance: String,
    text: String,
    thinking: String,
    calls: ToolCalls,
    finish: Option<String>,
    facts: Map<String, Value>,
}

impl Answer {
    pub(super) fn new(kind: Kind, model: String, instance: String) -> Self {
        let (text, thinking) = (String::new(), String::new());
        Self {
            kind,
            model,
            instance,
            text,
            thinking,
            calls: ToolCalls::default(),
            finish: None,
            facts: Map::new(),
        }
    }

    pub(super) fn add(&mut self, piece: &Piece) {
        self.text.push_str(&piece.text);
        self.thinking.push_str(&piece.thinking);
        self.calls.add(piece.tool_calls.as_ref());
        self.finish = piece.finish.clone().or(self.finish.take());
        self.facts.extend(piece.facts.clone());
    }

    /// One item of a streamed answer. `None` where the piece has nothing to show.
    pub(super) fn item(&self, piece: &Piece) -> Option<Value> {
        if piece.text.is_empty() && piece.thinking.is_empty() {
            return None;
        }
        let mut item = json!({ "response": piece.text, "model": self.model, "done": false });
        if !piece.thinking.is_empty() {
            item["thinking"] = piece.thinking.clone().into();
        }
        Some(item)
    }

    /// The last item of a streamed answer: everything but the text, which has been said.
    pub(super) fn last(mut self) -> Value {
        self.text.clear();
        self.thinking.clear();
        self.whole()
    }

    /// The answer as one result, with the fields of the Python system.
    pub(super) fn whole(self) -> Value {
        let calls = self.calls.finish();
        let mut whole = json!({
            "response": self.text,
            "model": self.model,
            "done": true,
            "done_reason": self.finish.unwrap_or_else(|| "stop".into()),
            "instance_id": self.instance,
        });
        if self.kind == Kind::Generate {
            whole["text"] = self.text.clone().into();
        } else {
            whole["role"] = "assistant".into();
            whole["message"] = json!({ "role": "assistant", "content": self.text });
            if !calls.is_empty() {
                whole["message"]["tool_calls"] = calls.clone().into();
            }
        }
        if !calls.is_empty() {
            whole["tool_calls"] = calls.into();
        }
        if !self.thinking.is_empty() {
            whole["thinking"] = self.thinking.into();
        }
        let count = |key: &str| self.facts.get(key).and_then(Value::as_u64);
        if let (Some(read), Some(written)) = (count("prompt_eval_count"), count("eval_count")) {
            whole["tokens_used"] = (read + written).into();
        }
        if let Some(fields) = whole.as_object_mut() {
            fields.extend(self.facts);
        }
        whole
    }
}

/// Tool calls, which one dialect sends whole and the other letter by letter.
#[derive(Debug, Default)]
struct ToolCalls(Vec<Value>);

impl ToolCalls {
    fn add(&mut self, calls: Option<&Value>) {
        for call in calls.and_then(Value::as_array).into_iter().flatten() {
            let index = call
                .get("index")
                .and_then(Value::as_u64)
                .and_then(|index| usize::try_from(index).ok());
            let continues =
                index.and_then(|index| self.0.iter_mut().find(|known| known["index"] == json!(index)));
            match continues {
                Some(known) => {
                    let more = call
                        .pointer("/function/arguments")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    if let Some(Value::String(arguments)) = known.pointer_mut("/function/arguments") {
                        arguments.push_str(more);
                    }
                }
                None => self.0.push(call.clone()),
            }
        }
    }

    /// Arguments as objects, where they are objects.
    fn finish(mut self) -> Vec<Value> {
        for call in &mut self.0 {
            if let Some(arguments) = call.pointer_mut("/function/arguments")
                && let Some(Ok(parsed)) = arguments.as_str().map(serde_json::from_str::<Value>)
            {
                *arguments = parsed;
            }
            if let Some(call) = call.as_object_mut() {
                call.remove("index");
            }
        }
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_call_that_comes_in_letters_is_put_together() {
        let mut answer = Answer::new(Kind::Chat, "m".into(), "i".into());
        for arguments in ["", "{\"a\"", ":1}"] {
            let calls =
                json!([{ "index": 0, "id": "c", "function": { "name": "f", "arguments": arguments } }]);
            answer.add(&Piece {
                tool_calls: Some(calls),
                ..Piece::default()
            });
        }
        let whole = answer.whole();
        assert_eq!(
            whole["tool_calls"],
            json!([{ "id": "c", "function": { "name": "f", "arguments": { "a": 1 } } }])
        );
    }

    #[test]
    fn the_result_has_the_fields_of_the_python_system() {
        let mut answer = Answer::new(Kind::Generate, "m".into(), "gpu1".into());
        let facts = json!({ "prompt_eval_count": 3, "eval_count": 4 });
        let facts = facts.as_object().cloned().unwrap_or_default();
        answer.add(&Piece {
            text: "hi".into(),
            finish: Some("length".into()),
            facts,
            ..Piece::default()
        });
        let whole = answer.whole();
        for (key, value) in [
            ("response", json!("hi")),
            ("text", json!("hi")),
            ("done", json!(true)),
            ("tokens_used", json!(7)),
            ("instance_id", json!("gpu1")),
            ("done_reason", json!("length")),
        ] {
            assert_eq!(whole[key], value, "{key}");
        }
    }
}
