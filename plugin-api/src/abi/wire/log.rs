//! An event on its way to the host's log.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::Level;

/// One event of a plugin, with where it happened and on whose behalf.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LogRecord {
    /// What happened.
    pub message: String,
    /// The event's other fields.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// The spans it happened in, outermost first, as `name{fields}`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<String>,
    /// The request that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The trace it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Where in the source: `src/hub.rs:17`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// It tells of a panic.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub panic: bool,
}

/// A level as a number: 1 is `error`, 5 is `trace`. 0 is never sent.
pub fn level_number(level: &Level) -> u8 {
    match *level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// The level of a number; whatever is beyond our scale is `trace`, the least likely to be shown.
pub fn level_of(number: u8) -> Level {
    match number {
        0 | 1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        _ => Level::TRACE,
    }
}
