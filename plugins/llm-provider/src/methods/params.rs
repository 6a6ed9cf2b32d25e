//! Parameters of generate, chat and vision.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::hints::Hints;

/// Parameters of generate, chat and vision. Each method's schema says which of them it takes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Params {
    pub model: Option<String>,
    pub prompt: Option<String>,
    pub system: Option<String>,
    pub suffix: Option<String>,
    pub messages: Vec<Message>,
    pub images: Vec<String>,
    pub tools: Option<Value>,
    pub think: Option<Value>,
    pub format: Option<Value>,
    pub keep_alive: Option<Value>,
    pub options: Map<String, Value>,
    #[serde(flatten)]
    pub sampling: Sampling,
    #[serde(flatten)]
    pub hints: Hints,
}

/// One message of a conversation.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(super) struct Message {
    pub role: String,
    #[serde(default)]
    pub content: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
}

/// How the answer is drawn. Absent is the model's own default, never one of ours.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sampling {
    pub temperature: Option<f64>,
    pub max_tokens: Option<u64>,
    pub top_p: Option<f64>,
    pub top_k: Option<u64>,
    pub min_p: Option<f64>,
    pub seed: Option<i64>,
    pub stop: Option<Value>,
}
