//! `[providers.NAME]`: one provider and the hubs it uses.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::value::Named;

/// `[providers.NAME]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderSettings {
    /// The name in the file.
    #[serde(skip)]
    pub name: String,
    /// The plugin's id; where absent, the provider's own name with `-provider` after it.
    pub plugin: String,
    /// The hubs it uses, in order of preference, or each under the role the provider knows it by. Absent: those
    /// its manifest asks for.
    pub hubs: HubBinding,
    /// The provider's own settings, checked against its manifest.
    pub config: Map<String, Value>,
}

impl Named for ProviderSettings {
    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: String) {
        self.name = name;
    }
}

/// How a provider is joined to its hubs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HubBinding {
    /// Those its manifest asks for.
    #[default]
    ByManifest,
    /// These, in order of preference.
    Ordered(Vec<String>),
    /// Each under the role that the provider knows it by.
    ByRole(BTreeMap<String, String>),
}
