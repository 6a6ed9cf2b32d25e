//! Which models each server has, and where they are: on disk or in memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use plugin_api::contract::instance::{Capability, Residency};
use plugin_api::contract::reference::normalise;
use serde_json::{Map, Value};

use crate::api::{Listed, Running};
use crate::features::{Traits, TraitsCache};

/// What was on each server's disk when it was last asked, by instance. Memory changes every few seconds and is cheap to
/// ask about; the disk is asked about with each probe. The lock is never held across an await.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    by_instance: Mutex<HashMap<String, Arc<Vec<Capability>>>>,
}

impl Inventory {
    /// Remembers what a listing says.
    pub(crate) fn take(
        &self,
        instance: &str,
        listed: &[Listed],
        traits: &TraitsCache,
    ) -> Arc<Vec<Capability>> {
        let stored: Vec<_> = listed
            .iter()
            .map(|model| on_disk(model, traits.of(model)))
            .collect();
        let stored = Arc::new(stored);
        self.by_instance
            .lock()
            .insert(instance.to_owned(), stored.clone());
        stored
    }

    /// What was on its disk; `None` if it was never asked.
    pub(crate) fn of(&self, instance: &str) -> Option<Arc<Vec<Capability>>> {
        self.by_instance.lock().get(instance).cloned()
    }

    /// Forgets every instance but these, and gives the digests that are still somewhere.
    pub(crate) fn retain(&self, instances: &HashSet<&str>) -> HashSet<String> {
        let mut by_instance = self.by_instance.lock();
        by_instance.retain(|id, _| instances.contains(id.as_str()));
        by_instance
            .values()
            .flat_map(|stored| stored.iter())
            .filter_map(|model| model.digest.clone())
            .collect()
    }
}

/// The model of that name, however it is spelled.
pub(crate) fn find<'a>(models: &'a [Capability], name: &str) -> Option<&'a Capability> {
    let name = normalise(name);
    models.iter().find(|model| normalise(&model.name) == name)
}

/// Whether the listing is older than what runs: a model is in memory that it does not know.
pub(crate) fn is_stale(stored: &[Capability], running: &[Running]) -> bool {
    running
        .iter()
        .any(|running| !stored.iter().any(|model| is_same(model, running)))
}

/// The models on disk, with what is true of those in memory. What is in memory only is left out: it was deleted, and
/// the server will not serve it.
pub(crate) fn with_residency(stored: &[Capability], running: &[Running]) -> Vec<Capability> {
    stored
        .iter()
        .map(
            |model| match running.iter().find(|running| is_same(model, running)) {
                Some(running) => in_memory(model.clone(), running),
                None => model.clone(),
            },
        )
        .collect()
}

/// By name or by digest: two names of one build share its place in memory, where only one of them is listed.
fn is_same(model: &Capability, running: &Running) -> bool {
    normalise(&model.name) == normalise(&running.name)
        || (!running.digest.is_empty() && model.digest.as_deref() == Some(running.digest.as_str()))
}

fn on_disk(model: &Listed, traits: Traits) -> Capability {
    let text = |value: &Option<String>| value.clone().map(Value::from);
    let known = [
        ("modified_at", model.modified_at.clone()),
        ("details", model.details.clone().map(Value::from)),
        ("context_length", traits.context_length.map(Value::from)),
        ("remote_model", text(&model.remote_model)),
        ("remote_host", text(&model.remote_host)),
    ];
    let metadata: Map<_, _> = known
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect();
    Capability {
        name: model.name.clone(),
        // A model that runs elsewhere needs no loading here.
        residency: if model.remote_model.is_some() {
            Residency::Loaded
        } else {
            Residency::Stored
        },
        features: traits.features,
        digest: (!model.digest.is_empty()).then(|| model.digest.clone()),
        size: model.size,
        loaded_as: BTreeMap::new(),
        metadata,
    }
}

fn in_memory(mut model: Capability, running: &Running) -> Capability {
    model.residency = Residency::Loaded;
    if let Some(tokens) = running.context_length.filter(|tokens| *tokens > 0) {
        model.loaded_as.insert("num_ctx".to_owned(), tokens);
    }
    if let Some(expires_at) = &running.expires_at {
        model.metadata.insert("expires_at".to_owned(), expires_at.clone());
    }
    model
        .metadata
        .insert("size_loaded".to_owned(), running.size.into());
    model
        .metadata
        .insert("size_vram".to_owned(), running.size_vram.into());
    model
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn listed(name: &str) -> Listed {
        serde_json::from_value(
            json!({ "name": name, "digest": format!("digest of {name}"), "capabilities": [] }),
        )
        .unwrap()
    }

    fn running(value: Value) -> Running {
        serde_json::from_value(value).unwrap()
    }

    fn stored(names: &[&str]) -> Arc<Vec<Capability>> {
        let listed: Vec<_> = names.iter().map(|name| listed(name)).collect();
        Inventory::default().take("a", &listed, &TraitsCache::default())
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let inventory = Inventory::default();
        for (instance, model) in [("a", "m:latest"), ("b", "n:latest")] {
            inventory.take(instance, &[listed(model)], &TraitsCache::default());
        }
        let digests = inventory.retain(&["a"].into());
        assert_eq!(digests, ["digest of m:latest".to_owned()].into());
        assert!(inventory.of("a").is_some() && inventory.of("b").is_none());
    }

    #[test]
    fn a_model_in_memory_that_is_on_no_disk_will_not_be_served() {
        let models = with_residency(
            &stored(&["m:latest"]),
            &[running(json!({ "name": "deleted:latest" }))],
        );
        assert_eq!(models.len(), 1);
        assert_eq!(models[0].residency, Residency::Stored);
    }

    #[test]
    fn names_are_compared_as_the_server_compares_them() {
        let stored = stored(&["Llama3.2:latest"]);
        for name in ["llama3.2", "LLAMA3.2:latest", "library/llama3.2"] {
            assert!(find(&stored, name).is_some(), "{name}");
        }
        assert!(find(&stored, "llama3.2:1b").is_none());
        assert!(!is_stale(
            &stored,
            &[running(json!({ "name": "llama3.2:latest" }))]
        ));
        assert!(is_stale(&stored, &[running(json!({ "name": "other:latest" }))]));
    }

    #[test]
    fn a_model_that_runs_elsewhere_needs_no_loading() {
        let model =
            json!({ "name": "big:cloud", "remote_model": "big", "remote_host": "https://example.org" });
        let listed = [serde_json::from_value(model).unwrap()];
        let stored = Inventory::default().take("a", &listed, &TraitsCache::default());
        assert_eq!(with_residency(&stored, &[])[0].residency, Residency::Loaded);
    }
}
