//! The arguments of each verb: what is read here, the manifest describes. Models may be spelled in any way.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Of `delete` and `unload`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The model's name.
    #[schemars(length(min = 1))]
    pub model: String,
}

/// Of `pull`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pull {
    /// The model's name.
    #[schemars(length(min = 1))]
    pub model: String,
    /// Allow a registry without TLS.
    #[serde(default)]
    pub insecure: bool,
}

/// Of `show`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The model's name.
    #[schemars(length(min = 1))]
    pub model: String,
    /// With long lists, such as the vocabulary.
    #[serde(default)]
    pub verbose: bool,
}

/// Of `copy`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// The name it has.
    #[schemars(length(min = 1))]
    pub source: String,
    /// The name it gets besides.
    #[schemars(length(min = 1))]
    pub destination: String,
}

/// Of `load`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// The model's name.
    #[schemars(length(min = 1))]
    pub model: String,
    /// How to load it, such as { "num_ctx": 8192 }.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// How long it stays without use: seconds, or text such as 30m; -1 is for ever.
    #[serde(default)]
    #[schemars(extend("type" = ["number", "string"]))]
    pub keep_alive: Option<Value>,
}

/// Of `ps` and `models`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}
