//! The settings, as the manifest's schemas describe them.

use plugin_api::http::Access;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `config` of the hub: there is nothing to say.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// `config` of one entry of `instances`. Unknown keys are refused by the manifest's schema.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct InstanceConfig {
    /// The key and further headers.
    #[serde(flatten)]
    pub access: Access,
    /// The API's routes begin with /v1, as they do almost everywhere. Where false, they stand right under the URL.
    pub v1: bool,
    /// How the server is probed.
    #[serde(flatten)]
    pub look: Look,
}

impl Default for InstanceConfig {
    fn default() -> Self {
        Self {
            access: Access::default(),
            v1: true,
            look: Look::default(),
        }
    }
}

/// What a probe needs to know of an instance; travels with it as metadata, so that the hub remembers nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Look {
    /// A path that answers 2xx while the server is well, such as /health; asked besides the list of models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Offer these models only; needed for a server that does not list its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
}
