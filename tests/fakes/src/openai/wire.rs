//! The objects and events of the OpenAI dialect, for both fakes that speak it.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    reply::Piece,
    script::{End, Said, Told},
};

/// Which of the two endpoints that generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Chat,
    Text,
}

/// How a stream begins, in which servers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// A chunk with the role alone, before any token.
    RoleAlone,
    /// The role comes with the first token.
    RoleWithToken,
}

/// What all objects of one answer share.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) form: Form,
    pub(crate) opening: Opening,
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) created: u64,
    pub(crate) fingerprint: &'static str,
    pub(crate) prompt_tokens: usize,
    /// A last chunk tells the usage.
    pub(crate) usage_wanted: bool,
}

impl Wire {
    /// The answer in one object.
    pub(crate) fn whole(&self, told: Told) -> Value {
        let end = told.end.unwrap_or(End {
            tokens: 0,
            cut_short: false,
            called_tool: false,
        });
        let mut choice = json!({ "index": 0 });
        match self.form {
            Form::Text => choice["text"] = told.words.into(),
            Form::Chat => {
                let message = &mut choice["message"];
                *message = json!({"role": "assistant", "content": told.words});
                if !told.thoughts.is_empty() {
                    message["reasoning"] = told.thoughts.into();
                }
                if let Some((name, arguments)) = &told.tool_call {
                    message["tool_calls"] = tool_calls(name, arguments);
                }
            }
        }
        choice["finish_reason"] = finish(end).into();
        let mut object = self.object(vec![choice], false);
        object["usage"] = self.usage(end);
        object
    }

    /// What is sent before the first part; nothing for servers that open with a token.
    pub(crate) fn opening(&self) -> Option<Piece> {
        let alone = self.form == Form::Chat && self.opening == Opening::RoleAlone;
        alone.then(|| {
            Piece::frame(data(
                &self.chunk(json!({"role": "assistant", "content": ""}), None),
            ))
        })
    }

    /// The events of one part of an answer, `first` of its kind or not.
    pub(crate) fn events(&self, said: Said, first: bool) -> Vec<Piece> {
        let mut delta = json!({});
        if first && self.opening == Opening::RoleWithToken {
            delta["role"] = "assistant".into();
        }
        match said {
            Said::Word(text) if self.form == Form::Text => return vec![self.token(text.into())],
            Said::Word(text) => delta["content"] = text.into(),
            Said::Thought(text) => {
                delta["content"] = "".into();
                delta["reasoning"] = text.into();
            }
            Said::ToolCall { name, arguments } => delta["tool_calls"] = tool_calls(&name, &arguments),
            Said::End(end) => return self.ending(end),
        }
        vec![self.token(delta)]
    }

    /// A chunk that says nothing, which is all that some servers manage to say when their engine dies.
    pub(crate) fn empty_chunk(&self) -> String {
        match self.form {
            Form::Chat => data(&self.chunk(json!({"role": "assistant", "content": ""}), None)),
            Form::Text => data(&self.chunk("".into(), None)),
        }
    }

    fn token(&self, what: Value) -> Piece {
        Piece::token(data(&self.chunk(what, None)))
    }

    fn ending(&self, end: End) -> Vec<Piece> {
        let nothing = if self.form == Form::Text {
            json!("")
        } else {
            json!({})
        };
        let mut events = vec![data(&self.chunk(nothing, Some(finish(end))))];
        if self.usage_wanted {
            let mut usage = self.object(Vec::new(), true);
            usage["usage"] = self.usage(end);
            events.push(data(&usage));
        }
        events.push("data: [DONE]\n\n".to_owned());
        events.into_iter().map(Piece::frame).collect()
    }

    /// One chunk: a delta in a chat, a text otherwise.
    fn chunk(&self, what: Value, finish: Option<&str>) -> Value {
        let place = if self.form == Form::Chat { "delta" } else { "text" };
        let mut choice = json!({ "index": 0 });
        choice[place] = what;
        choice["finish_reason"] = finish.into();
        self.object(vec![choice], true)
    }

    fn object(&self, choices: Vec<Value>, chunk: bool) -> Value {
        let kind = match (self.form, chunk) {
            (Form::Chat, true) => "chat.completion.chunk",
            (Form::Chat, false) => "chat.completion",
            (Form::Text, _) => "text_completion",
        };
        json!({
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        })
    }

    fn usage(&self, end: End) -> Value {
        let (prompt, completion) = (self.prompt_tokens, end.tokens);
        json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
    }
}

/// One server-sent event.
pub(crate) fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// What streams of events are sent as.
pub(crate) const SSE: &str = "text/event-stream";

/// A vector as `encoding_format: base64` has it: little-endian 32-bit floats.
pub(crate) fn base64_floats(vector: &[f32]) -> String {
    BASE64_STANDARD.encode(vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
}

/// The calls of a message. The arguments are a string here, where Ollama's dialect has an object.
fn tool_calls(name: &str, arguments: &Value) -> Value {
    let function = json!({"name": name, "arguments": arguments.to_string()});
    json!([{"id": "call_ab12cd34", "index": 0, "type": "function", "function": function}])
}

fn finish(end: End) -> &'static str {
    match end {
        End { cut_short: true, .. } => "length",
        End {
            called_tool: true, ..
        } => "tool_calls",
        End { .. } => "stop",
    }
}
