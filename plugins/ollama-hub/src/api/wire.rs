//! What a server says, as far as it is used. Everything but a name may be missing: servers of many ages answer.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The answer of `/api/version`.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) version: String,
}

/// A list of models. The key must be there; it may be null where there are none.
#[derive(Debug, Deserialize)]
pub(super) struct Models<T> {
    #[serde(
        deserialize_with = "Option::deserialize",
        bound(deserialize = "T: Deserialize<'de>")
    )]
    pub(super) models: Option<Vec<T>>,
}

/// A model on disk.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) digest: String,
    pub(crate) size: Option<u64>,
    pub(crate) modified_at: Option<Value>,
    /// Family, format, size in parameters, quantisation, and on newer servers the context length.
    pub(crate) details: Option<Map<String, Value>>,
    /// Absent on servers of before the middle of 2026.
    pub(crate) capabilities: Option<Vec<String>>,
    /// Set where the model runs elsewhere and nothing of it is on this disk.
    pub(crate) remote_model: Option<String>,
    pub(crate) remote_host: Option<String>,
}

/// A model in memory.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Running {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) digest: String,
    /// All of it, in bytes.
    #[serde(default)]
    pub(crate) size: u64,
    /// The part that is in the memory of a GPU.
    #[serde(default)]
    pub(crate) size_vram: u64,
    pub(crate) expires_at: Option<Value>,
    /// The context it was loaded with, in tokens.
    pub(crate) context_length: Option<i64>,
}

/// What `/api/show` says of what a model can do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Shown {
    pub(crate) capabilities: Option<Vec<String>>,
    pub(crate) template: Option<String>,
    pub(crate) model_info: Option<Map<String, Value>>,
    pub(crate) projector_info: Option<Map<String, Value>>,
}
