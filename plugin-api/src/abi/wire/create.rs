//! The message with which a component is built.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a component is to be built. Everything has a default, so either side may be the older one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateMessage {
    /// Its name in `plugins.toml`: `ollama` for `[hubs.ollama]`.
    pub name: String,
    /// Its `config = { ... }`.
    pub config: Value,
    /// Worker threads of its runtime; at least one.
    pub workers: usize,
    /// The most detailed level of its events that anybody will see: `error` to `trace`, or `off`. `None`: the
    /// component's events are left to whatever subscriber there is.
    pub log_level: Option<String>,
}

impl Default for CreateMessage {
    fn default() -> Self {
        Self {
            name: String::new(),
            config: Value::Object(serde_json::Map::new()),
            workers: 1,
            log_level: None,
        }
    }
}
