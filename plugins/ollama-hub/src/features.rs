//! What models are good for.
//!
//! New servers say it in their listing. Older ones must be asked about each model, which is done once for each digest,
//! because equal digests are the same model wherever they are.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::{Listed, Server, Shown};

/// How many models are asked about at once.
const AT_ONCE: usize = 4;

/// How long one look may spend on asking. What is left is asked next time, so that a server with hundreds of models is
/// no unhealthy one.
const LIMIT: Duration = Duration::from_millis(1500);

/// What is known of one build of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Traits {
    pub(crate) features: BTreeSet<String>,
    /// The longest context it was trained for, in tokens.
    pub(crate) context_length: Option<u64>,
}

/// What was asked about, by digest. The lock is never held across an await.
#[derive(Debug, Default)]
pub(crate) struct TraitsCache {
    by_digest: Mutex<HashMap<String, Traits>>,
}

impl TraitsCache {
    /// Asks about those models that the listing leaves open and nobody asked about before.
    ///
    /// A model that cannot be shown stays a guess: it must not make its server unhealthy.
    pub(crate) async fn learn(&self, server: Server<'_>, models: &[Listed]) {
        let open: Vec<&Listed> = {
            let known = self.by_digest.lock();
            models
                .iter()
                .filter(|model| model.capabilities.is_none() && !known.contains_key(key(model)))
                .collect()
        };
        if open.is_empty() {
            return;
        }
        let asking = stream::iter(open).for_each_concurrent(AT_ONCE, |model| async move {
            let shown = server
                .show(&model.name, false)
                .await
                .ok()
                .and_then(|value| Shown::deserialize(value).ok());
            match shown {
                Some(shown) => {
                    self.by_digest
                        .lock()
                        .insert(key(model).to_owned(), shown_traits(&shown, model));
                }
                None => tracing::debug!(model = model.name, "the server does not show this model"),
            }
        });
        if tokio::time::timeout(LIMIT, asking).await.is_err() {
            tracing::debug!("not all models could be asked about in time; the rest follow");
        }
    }

    /// What is known of a listed model: from the listing, from having asked, or guessed by its family.
    pub(crate) fn of(&self, model: &Listed) -> Traits {
        let listed = || detail(model, "context_length").and_then(Value::as_u64);
        if let Some(capabilities) = &model.capabilities {
            return Traits {
                features: capabilities.iter().cloned().collect(),
                context_length: listed(),
            };
        }
        self.by_digest
            .lock()
            .get(key(model))
            .cloned()
            .unwrap_or_else(|| Traits {
                features: guess(model),
                context_length: listed(),
            })
    }

    /// Forgets every build but these.
    pub(crate) fn retain(&self, digests: &HashSet<String>) {
        self.by_digest.lock().retain(|digest, _| digests.contains(digest));
    }
}

/// The oldest servers give no digests; a name is the next best thing.
fn key(model: &Listed) -> &str {
    if model.digest.is_empty() {
        &model.name
    } else {
        &model.digest
    }
}

fn shown_traits(shown: &Shown, model: &Listed) -> Traits {
    let info = shown.model_info.as_ref();
    let context_length = info
        .and_then(|info| ending(info, ".context_length"))
        .and_then(Value::as_u64);
    let features = match &shown.capabilities {
        Some(capabilities) => capabilities.iter().cloned().collect(),
        None => {
            let mut features = guess(model);
            if info.is_some_and(|info| ending(info, ".pooling_type").is_some()) {
                features = [EMBEDDING.to_owned()].into();
            }
            if shown
                .projector_info
                .as_ref()
                .is_some_and(|projector| !projector.is_empty())
                || info.is_some_and(|info| ending(info, ".vision.block_count").is_some())
            {
                features.insert(VISION.to_owned());
            }
            let template = shown.template.as_deref().unwrap_or_default();
            for (variable, feature) in [(".Tools", "tools"), (".Suffix", "insert")] {
                if template.contains(variable) {
                    features.insert(feature.to_owned());
                }
            }
            features
        }
    };
    Traits {
        features,
        context_length,
    }
}

const COMPLETION: &str = "completion";
const EMBEDDING: &str = "embedding";
const VISION: &str = "vision";

/// By family alone: those that only embed are BERTs, those that see have a second family for it.
fn guess(model: &Listed) -> BTreeSet<String> {
    let families = detail(model, "families")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let families: Vec<_> = families
        .chain(detail(model, "family"))
        .filter_map(Value::as_str)
        .map(str::to_lowercase)
        .collect();
    let any = |part: &str| families.iter().any(|family| family.contains(part));
    let mut features = BTreeSet::new();
    features.insert(if any("bert") { EMBEDDING } else { COMPLETION }.to_owned());
    if any("clip") || any("mllama") {
        features.insert(VISION.to_owned());
    }
    features
}

fn detail<'a>(model: &'a Listed, key: &str) -> Option<&'a Value> {
    model.details.as_ref()?.get(key)
}

/// The value whose key ends so; keys begin with the architecture.
fn ending<'a>(info: &'a Map<String, Value>, end: &str) -> Option<&'a Value> {
    info.iter()
        .find(|(key, _)| key.ends_with(end))
        .map(|(_, value)| value)
}

/// Whether a model with these features embeds and does nothing else.
pub(crate) fn only_embeds(features: &BTreeSet<String>) -> bool {
    features.contains(EMBEDDING) && !features.contains(COMPLETION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn listed(value: Value) -> Listed {
        serde_json::from_value(value).unwrap()
    }

    fn guessed(details: Value) -> Vec<String> {
        let model = listed(json!({ "name": "m", "details": details }));
        TraitsCache::default().of(&model).features.into_iter().collect()
    }

    fn shown(value: Value) -> Vec<String> {
        let model = listed(json!({ "name": "m", "details": { "family": "llama" } }));
        let shown: Shown = serde_json::from_value(value).unwrap();
        shown_traits(&shown, &model).features.into_iter().collect()
    }

    #[test]
    fn a_listing_that_says_it_is_believed() {
        let model = listed(
            json!({ "name": "m", "capabilities": ["completion", "thinking"], "details": { "context_length": 8192 } }),
        );
        let traits = TraitsCache::default().of(&model);
        assert_eq!(
            traits.features,
            ["completion".to_owned(), "thinking".to_owned()].into()
        );
        assert_eq!(traits.context_length, Some(8192));
    }

    #[test]
    fn without_a_word_the_family_tells() {
        assert_eq!(
            guessed(json!({ "family": "llama", "families": null })),
            ["completion"]
        );
        assert_eq!(
            guessed(json!({ "family": "nomic-bert", "families": ["nomic-bert"] })),
            ["embedding"]
        );
        assert_eq!(
            guessed(json!({ "family": "llama", "families": ["llama", "clip"] })),
            ["completion", "vision"]
        );
        assert_eq!(guessed(Value::Null), ["completion"]);
    }

    #[test]
    fn what_is_shown_tells_more() {
        assert_eq!(
            shown(json!({ "capabilities": ["completion", "tools"] })),
            ["completion", "tools"]
        );
        assert_eq!(
            shown(json!({ "template": "{{ if .Tools }}{{ .Suffix }}" })),
            ["completion", "insert", "tools"]
        );
        assert_eq!(
            shown(json!({ "model_info": { "bert.pooling_type": 1 } })),
            ["embedding"]
        );
        assert_eq!(
            shown(json!({ "projector_info": { "clip.has_vision_encoder": true } })),
            ["completion", "vision"]
        );
    }
}
