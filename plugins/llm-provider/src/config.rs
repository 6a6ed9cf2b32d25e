//! What an operator may set.

use std::collections::BTreeMap;

use plugin_api::contract::reference::normalise;
use serde::Deserialize;

/// `config = { ... }` of this provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The model of `llm/*` calls that name none.
    pub default_model: String,
    /// The same for `llm/vision`.
    pub default_vision_model: String,
    /// The same for `llm/embed`.
    pub default_embedding_model: String,
    /// Names that stand for models.
    pub aliases: BTreeMap<String, String>,
}

impl Default for Config {
    /// The defaults of the Python system, so that its callers find the same models.
    fn default() -> Self {
        Self {
            default_model: "llama3.2".into(),
            default_vision_model: "llava".into(),
            default_embedding_model: "nomic-embed-text".into(),
            aliases: BTreeMap::new(),
        }
    }
}

/// Aliases, ready to be looked up for every request.
#[derive(Debug, Default)]
pub(crate) struct Aliases(BTreeMap<String, String>);

impl Aliases {
    pub(crate) fn new(config: &Config) -> Self {
        let entry = |(alias, model): (&String, &String)| (normalise(alias).into_owned(), model.clone());
        Self(config.aliases.iter().map(entry).collect())
    }

    /// The model that a name stands for, if it is an alias.
    pub(crate) fn model(&self, name: &str) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(normalise(name).as_ref()).map(String::as_str)
    }

    /// Every alias with its model.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(alias, model)| (alias.as_str(), model.as_str()))
    }
}
