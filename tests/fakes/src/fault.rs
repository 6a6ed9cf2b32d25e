//! The ways in which a fake fails.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod apply;
mod rules;

pub(crate) use apply::{Before, Cut, Sent, before, spoil};
pub(crate) use rules::Rules;

/// A way to fail, commanded with [`FakeServer::fail`](crate::FakeServer::fail) and its siblings.
///
/// As JSON (for the control route) the names are in snake case: `"busy"`, `{"cut_after": 3}`,
/// `{"slow_first_byte": "200ms"}`, `{"status": {"code": 418, "body": "{}"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// Nobody is there: for the whole server the port is closed, so that connecting is refused; for one path or a
    /// number of requests the connection is reset before any byte of an answer.
    Refuse,
    /// The request is read and never answered.
    HangBeforeHeaders,
    /// Status and headers are sent, then nothing.
    HangAfterHeaders,
    /// The answer is right, but its first byte takes this much longer.
    SlowFirstByte(#[serde(with = "text")] Duration),
    /// 503 in the words of the server's dialect, at once, with no word on when to come back.
    Busy,
    /// As [`Fault::Busy`], with `Retry-After` in seconds.
    BusyRetryAfter(u64),
    /// 429 with `Retry-After` in seconds.
    TooManyRequests(u64),
    /// 500 with an error body of the server's dialect.
    Error500,
    /// Any status with any body, sent as `application/json`.
    Status {
        /// The status code; one that HTTP does not know becomes 500.
        code: u16,
        /// The body, byte for byte.
        body: String,
    },
    /// Bytes that are not HTTP, then the end of the connection.
    Garbage,
    /// 200 and the right content type, but the JSON breaks off in the middle while the HTTP framing is whole.
    InvalidJson,
    /// After this many tokens the connection is gone, in the middle of the chunked body.
    CutAfter(usize),
    /// After this many tokens the body ends cleanly, without the dialect's own end (`done:true`, `[DONE]`).
    EndAfter(usize),
    /// After this many tokens nothing more comes and the connection stays.
    StallAfter(usize),
    /// After this many tokens the stream ends as this server's streams do when its engine dies: with an error line,
    /// or, on Ollama's OpenAI surface, with an empty chunk and no `[DONE]`.
    ErrorLineAfter(usize),
    /// One line of the answer is a little over 8 MB long, and valid.
    HugeLine,
}

/// Durations as people write them: `10ms`, `2s`.
mod text {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_duration(&text).map_err(serde::de::Error::custom)
    }
}
