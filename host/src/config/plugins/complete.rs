//! Fills in what the file leaves to the manifests.

use plugin_api::manifest::ProviderManifest;
use serde_json::{Map, Value, json};

use super::{Manifests, hubs, providers};
use crate::config::source::{Place, SourceMap};
use crate::config::tree::{Entry, Kind, Node, steps};

/// Adds what the file leaves to the manifests: with `autoload`, every plugin it does not name; for a provider
/// without `hubs`, the hubs that its manifest asks for, and those that are not configured as well.
pub(in crate::config) fn complete(tree: &mut Node, manifests: &Manifests, sources: &mut SourceMap) {
    let place = sources.add("plugins' manifests", "");
    let autoload = tree.at(&steps!["host", "autoload"]).map(Node::to_json) == Some(Value::Bool(true));
    if autoload {
        for (id, manifest) in manifests {
            if manifest.hub.is_some() && !hubs(tree).iter().any(|(_, plugin)| plugin == id) {
                add(
                    tree,
                    "hubs",
                    short_name(id, "-hub"),
                    json!({ "plugin": id }),
                    &place,
                );
            }
            if manifest.provider.is_some() && !providers(tree).iter().any(|(_, plugin)| plugin == id) {
                add(
                    tree,
                    "providers",
                    short_name(id, "-provider"),
                    json!({ "plugin": id }),
                    &place,
                );
            }
        }
    }
    for (name, plugin) in providers(tree) {
        let provider = manifests
            .get(&plugin)
            .and_then(|manifest| manifest.provider.as_ref());
        let bound = tree.at(&steps!["providers", &name, "hubs"]).is_some();
        let Some(provider) = provider.filter(|provider| !bound && !provider.requires.is_empty()) else {
            continue;
        };
        let wanted = wanted_hubs(tree, provider, manifests, &place);
        if !wanted.is_empty()
            && let Some(Kind::Table(entries)) = table_mut(tree, &["providers", &name])
        {
            entries.push(Entry {
                name: "hubs".to_owned(),
                key: place.clone(),
                node: Node::from_json(&json!(wanted), &place),
            });
        }
    }
}

/// The hubs a provider asks for, in its order of preference. A kind that no configured hub provides is provided
/// by every plugin there is for it.
fn wanted_hubs(
    tree: &mut Node,
    provider: &ProviderManifest,
    manifests: &Manifests,
    place: &Place,
) -> Vec<String> {
    let provides = |plugin: &str, kind: &str| {
        let hub = manifests.get(plugin).and_then(|manifest| manifest.hub.as_ref());
        hub.is_some_and(|hub| hub.provides == kind)
    };
    let mut wanted = Vec::new();
    for kind in &provider.requires {
        if !hubs(tree).iter().any(|(_, plugin)| provides(plugin, kind)) {
            for id in manifests.keys().filter(|id| provides(id, kind)) {
                add(
                    tree,
                    "hubs",
                    short_name(id, "-hub"),
                    json!({ "plugin": id }),
                    place,
                );
            }
        }
        let now = hubs(tree)
            .into_iter()
            .filter(|(_, plugin)| provides(plugin, kind))
            .map(|(name, _)| name);
        for name in now {
            if !wanted.contains(&name) {
                wanted.push(name);
            }
        }
    }
    wanted
}

/// Lays each hub's defaults, as its manifest has them, under what is written.
pub(in crate::config) fn lay_defaults(tree: &mut Node, manifests: &Manifests, sources: &mut SourceMap) {
    for (name, plugin) in hubs(tree) {
        let hub = manifests.get(&plugin).and_then(|manifest| manifest.hub.as_ref());
        let Some(defaults) = hub
            .map(|hub| &hub.defaults)
            .filter(|defaults| defaults.is_object())
        else {
            continue;
        };
        let text = serde_json::to_string_pretty(defaults).unwrap_or_default();
        let place = sources.add(format!("the manifest of {plugin}"), &text);
        let defaults = Node::from_json(defaults, &place);
        if let Some(Kind::Table(hubs)) = table_mut(tree, &["hubs"])
            && let Some(hub) = hubs.iter_mut().find(|entry| entry.name == name)
        {
            hub.node.underlay(&defaults);
        }
    }
}

fn short_name<'a>(id: &'a str, suffix: &str) -> &'a str {
    id.strip_suffix(suffix).unwrap_or(id)
}

/// Adds an entry, unless one of that name is there already.
fn add(tree: &mut Node, table: &str, name: &str, value: Value, place: &Place) {
    let mut over = Map::new();
    over.insert(table.to_owned(), json!({ name: value }));
    if tree.at(&steps![table, name]).is_none() {
        tree.overlay(Node::from_json(&Value::Object(over), place));
    }
}

fn table_mut<'a>(tree: &'a mut Node, keys: &[&str]) -> Option<&'a mut Kind> {
    let mut kind = &mut tree.kind;
    for key in keys {
        let Kind::Table(entries) = kind else { return None };
        kind = &mut entries.iter_mut().find(|entry| entry.name == *key)?.node.kind;
    }
    Some(kind)
}
