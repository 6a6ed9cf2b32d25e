//! What is asked: the same request in the two dialects, answered whole or as a stream.

use serde::Serialize;

/// How many bytes the body of a short request has.
const REQUEST_BYTES: usize = 100;

/// A client's dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dialect {
    /// `POST /v1/chat/completions`.
    Openai,
    /// `POST /api/chat`.
    Ollama,
}

impl Dialect {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Openai, Self::Ollama];

    /// The path of a chat.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Openai => "/v1/chat/completions",
            Self::Ollama => "/api/chat",
        }
    }

    /// The path which says that a back end is there.
    pub(crate) fn probe(self) -> &'static str {
        match self {
            Self::Openai => "/v1/models",
            Self::Ollama => "/api/tags",
        }
    }

    /// The kind of hub that owns such back ends, and the faithful fake of one.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Ollama => "ollama",
        }
    }

    /// The end of a stream that is whole.
    pub(crate) fn end(self) -> &'static str {
        match self {
            Self::Openai => "data: [DONE]\n\n",
            Self::Ollama => "}\n",
        }
    }

    /// The body of a chat of a hundred bytes.
    pub(crate) fn chat(self, model: &str, stream: bool) -> String {
        let body = |text: &str| {
            format!(
                r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"{text}"}}]}}"#
            )
        };
        let missing = REQUEST_BYTES.saturating_sub(body("").len());
        body(&"w".repeat(missing))
    }
}

/// The bytes of a request on a connection that stays.
pub(crate) fn raw(dialect: Dialect, model: &str, stream: bool) -> Vec<u8> {
    let body = dialect.chat(model, stream);
    let (path, length) = (dialect.path(), body.len());
    format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Dialect, REQUEST_BYTES};

    #[test]
    fn a_chat_is_a_hundred_bytes_of_json_in_both_dialects() {
        for dialect in Dialect::ALL {
            for stream in [true, false] {
                let body = dialect.chat("bench:latest", stream);
                assert_eq!(body.len(), REQUEST_BYTES);
                let read: serde_json::Value = serde_json::from_str(&body).unwrap();
                assert_eq!(read["stream"], stream);
            }
        }
    }
}
