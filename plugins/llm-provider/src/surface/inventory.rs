//! Lists for the whole fleet, from what the hubs know: at once, even with every instance down.

use std::collections::BTreeMap;

use plugin_api::contract::instance::{Capability, Residency};
use plugin_api::contract::reference::normalise;
use plugin_api::host::InstanceView;
use plugin_api::provider::Reply;
use plugin_api::{Context, Error};
use serde_json::{Value, json};

use crate::LlmProvider;
use crate::error::LlmError;

/// What `/api/version` says where no instance has told its own: the version of the interface that is served.
const INTERFACE: &str = "0.33.0";

/// A model of the fleet, under the best that is known of it.
#[derive(Debug)]
pub(crate) struct Listed<'a> {
    /// The name as its servers spell it.
    pub name: &'a str,
    /// One that has it, loaded if any has.
    pub best: &'a Capability,
    /// Where it is loaded longest.
    pub loaded: Vec<&'a Capability>,
    /// Who has it.
    pub instances: Vec<&'a str>,
}

/// What the hubs know.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub views: Vec<InstanceView>,
}

impl Fleet {
    pub(crate) async fn look(provider: &LlmProvider, context: &Context) -> Result<Self, LlmError> {
        Ok(Self {
            views: provider.host.instances(context).await?,
        })
    }

    /// Every model that instances of this dialect have, by its normal name.
    pub(crate) fn models(&self, dialect: Option<&str>) -> BTreeMap<String, Listed<'_>> {
        let mut models: BTreeMap<String, Listed<'_>> = BTreeMap::new();
        for view in &self.views {
            let speaks = |dialect: &str| view.instance.dialects.iter().any(|spoken| spoken == dialect);
            if !dialect.is_none_or(speaks) {
                continue;
            }
            for capability in &view.instance.capabilities {
                let listed = models
                    .entry(normalise(&capability.name).into_owned())
                    .or_insert(Listed {
                        name: &capability.name,
                        best: capability,
                        loaded: Vec::new(),
                        instances: Vec::new(),
                    });
                listed.instances.push(&view.instance.id);
                if capability.residency == Residency::Loaded {
                    listed.loaded.push(capability);
                }
                if capability.residency > listed.best.residency {
                    listed.best = capability;
                }
            }
        }
        models
    }
}

fn text<'a>(capability: &'a Capability, key: &str) -> &'a str {
    capability
        .metadata
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn details(capability: &Capability) -> Value {
    capability.metadata.get("details").cloned().unwrap_or_else(|| {
        json!({ "parent_model": "", "format": "", "family": "", "families": [], "parameter_size": "", "quantization_level": "" })
    })
}

/// What both native lists say of a model. A date must be there, because clients parse it.
fn common(name: &str, capability: &Capability) -> Value {
    json!({
        "name": name,
        "model": name,
        "size": capability.size.unwrap_or(0),
        "digest": capability.digest.as_deref().unwrap_or_default(),
        "details": details(capability),
    })
}

/// Aliases are models too, for whoever asks what there is.
fn with_aliases<'a>(
    provider: &'a LlmProvider,
    models: BTreeMap<String, Listed<'a>>,
) -> Vec<(String, Listed<'a>)> {
    let mut all: Vec<(String, Listed<'a>)> = Vec::new();
    for (alias, model) in provider.aliases.iter() {
        if let Some(listed) = models.get(normalise(model).as_ref()) {
            let (loaded, instances) = (listed.loaded.clone(), listed.instances.clone());
            all.push((
                alias.to_owned(),
                Listed {
                    name: listed.name,
                    best: listed.best,
                    loaded,
                    instances,
                },
            ));
        }
    }
    all.extend(
        models
            .into_values()
            .map(|listed| (listed.name.to_owned(), listed)),
    );
    all
}

/// `GET /api/tags`: models on disk, newest first.
pub(super) async fn tags(provider: &LlmProvider, context: &Context) -> Result<Reply, LlmError> {
    let fleet = Fleet::look(provider, context).await?;
    let mut models = with_aliases(provider, fleet.models(Some("ollama")));
    models.sort_by(|(_, a), (_, b)| text(b.best, "modified_at").cmp(text(a.best, "modified_at")));
    let models: Vec<Value> = models
        .iter()
        .map(|(name, listed)| {
            let mut model = common(name, listed.best);
            let modified = text(listed.best, "modified_at");
            model["modified_at"] = if modified.is_empty() {
                "1970-01-01T00:00:00Z"
            } else {
                modified
            }
            .into();
            if !listed.best.features.is_empty() {
                model["capabilities"] = json!(listed.best.features);
            }
            if let Some(length) = listed.best.metadata.get("context_length")
                && let Some(details) = model["details"].as_object_mut()
            {
                details.entry("context_length").or_insert_with(|| length.clone());
            }
            model
        })
        .collect();
    Ok(Reply::json(&json!({ "models": models })))
}

/// `GET /api/ps`: models in memory, those that stay longest first.
pub(super) async fn ps(provider: &LlmProvider, context: &Context) -> Result<Reply, LlmError> {
    let fleet = Fleet::look(provider, context).await?;
    let mut running: Vec<(&str, &Capability)> = fleet
        .models(Some("ollama"))
        .into_values()
        .flat_map(|listed| {
            listed
                .loaded
                .into_iter()
                .map(move |capability| (listed.name, capability))
        })
        .collect();
    running.sort_by(|(_, a), (_, b)| text(b, "expires_at").cmp(text(a, "expires_at")));
    let models: Vec<Value> = running
        .into_iter()
        .map(|(name, capability)| {
            let mut model = common(name, capability);
            let number = |key: &str| capability.metadata.get(key).and_then(Value::as_u64);
            let expires = text(capability, "expires_at");
            model["expires_at"] = if expires.is_empty() {
                "1970-01-01T00:00:00Z"
            } else {
                expires
            }
            .into();
            model["size"] = number("size_loaded").or(capability.size).unwrap_or(0).into();
            model["size_vram"] = number("size_vram").unwrap_or(0).into();
            model["context_length"] = capability.loaded_as.get("num_ctx").copied().unwrap_or(0).into();
            model
        })
        .collect();
    Ok(Reply::json(&json!({ "models": models })))
}

/// `GET /api/version`: the oldest of the fleet, so that a client expects of us no more than every instance can.
pub(super) async fn version(provider: &LlmProvider, context: &Context) -> Result<Reply, LlmError> {
    let fleet = Fleet::look(provider, context).await?;
    let numbers = |version: &str| {
        version
            .split(['.', '-'])
            .map(|part| part.parse().unwrap_or(0))
            .collect::<Vec<u64>>()
    };
    let versions = fleet
        .views
        .iter()
        .filter(|view| view.instance.dialects.iter().any(|dialect| dialect == "ollama"));
    let oldest = versions
        .filter_map(|view| view.instance.metadata.get("version")?.as_str())
        .min_by_key(|version| numbers(version))
        .unwrap_or(INTERFACE);
    Ok(Reply::json(&json!({ "version": oldest })))
}

fn openai(name: &str, listed: &Listed<'_>) -> Value {
    let created = listed
        .best
        .metadata
        .get("created")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let owner = match (text(listed.best, "owned_by"), name.split_once('/')) {
        ("", Some((namespace, _))) => namespace,
        ("", None) => "library",
        (owner, _) => owner,
    };
    json!({ "id": name, "object": "model", "created": created, "owned_by": owner })
}

/// `GET /v1/models`.
pub(super) async fn openai_models(provider: &LlmProvider, context: &Context) -> Result<Reply, LlmError> {
    let fleet = Fleet::look(provider, context).await?;
    let models = with_aliases(provider, fleet.models(Some("openai")));
    let data: Vec<Value> = models.iter().map(|(name, listed)| openai(name, listed)).collect();
    Ok(Reply::json(&json!({ "object": "list", "data": data })))
}

/// `GET /v1/models/{model}`.
pub(super) async fn openai_model(
    provider: &LlmProvider,
    context: &Context,
    path: &str,
) -> Result<Reply, LlmError> {
    let asked = path.strip_prefix("/v1/models/").unwrap_or(path);
    let asked = percent_decoded(asked)?;
    let fleet = Fleet::look(provider, context).await?;
    let models = fleet.models(Some("openai"));
    let name = provider.aliases.model(&asked).unwrap_or(&asked);
    match models.get(normalise(name).as_ref()) {
        Some(listed) => Ok(Reply::json(&openai(
            if name == asked { listed.name } else { &asked },
            listed,
        ))),
        None => Err(Error::not_found(format!("model '{asked}' not found"))
            .detail("capability", asked)
            .into()),
    }
}

/// Model names hold slashes and colons, which clients may write as `%2F` and `%3A`.
fn percent_decoded(text: &str) -> Result<String, LlmError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let pair = (first == b'%').then(|| after.get(..2)).flatten();
        let decoded = pair.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        bytes.push(decoded.unwrap_or(first));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).map_err(|_| LlmError::Invalid("the model's name is not UTF-8".into()))
}

#[cfg(test)]
mod tests {
    use super::percent_decoded;

    #[test]
    fn names_in_paths_are_decoded() {
        assert_eq!(percent_decoded("meta%2Fllama%3A3b").unwrap(), "meta/llama:3b");
        assert_eq!(percent_decoded("100%").unwrap(), "100%");
        assert_eq!(percent_decoded("%zz%4").unwrap(), "%zz%4");
        assert!(percent_decoded("%ff").is_err());
    }
}
