//! What plugins' manifests add: defaults, hubs that providers ask for, and checks of plugins' own settings.

mod check;
mod complete;

use std::collections::BTreeMap;

use plugin_api::manifest::Manifest;

pub(super) use check::check;
pub(super) use complete::{complete, lay_defaults};

use super::settings::Settings;
use super::tree::{Node, steps};

/// Manifests by plugin id.
pub type Manifests = BTreeMap<String, Manifest>;

/// The plugin of a hub that names none.
pub(super) fn hub_plugin(name: &str) -> String {
    with_suffix(name, "-hub")
}

/// The plugin of a provider that names none.
pub(super) fn provider_plugin(name: &str) -> String {
    with_suffix(name, "-provider")
}

fn with_suffix(name: &str, suffix: &str) -> String {
    if name.ends_with(suffix) {
        name.to_owned()
    } else {
        format!("{name}{suffix}")
    }
}

/// Writes out the plugins that are only implied.
pub(super) fn name_plugins(settings: &mut Settings) {
    for hub in settings.hubs.iter_mut().filter(|hub| hub.plugin.is_empty()) {
        hub.plugin = hub_plugin(&hub.name);
    }
    for provider in settings
        .providers
        .iter_mut()
        .filter(|provider| provider.plugin.is_empty())
    {
        provider.plugin = provider_plugin(&provider.name);
    }
}

/// Names of hubs and the ids of their plugins.
fn hubs(tree: &Node) -> Vec<(String, String)> {
    components(tree, "hubs", hub_plugin)
}

/// Names of providers and the ids of their plugins.
fn providers(tree: &Node) -> Vec<(String, String)> {
    components(tree, "providers", provider_plugin)
}

fn components(tree: &Node, table: &str, implied: fn(&str) -> String) -> Vec<(String, String)> {
    let entries = tree.at(&steps![table]).map(Node::entries).unwrap_or_default();
    entries
        .iter()
        .map(|entry| {
            let written = entry.node.entry("plugin").and_then(|entry| entry.node.as_str());
            let plugin = written.map_or_else(|| implied(&entry.name), str::to_owned);
            (entry.name.clone(), plugin)
        })
        .collect()
}
