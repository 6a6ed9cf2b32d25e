//! What plugins' manifests add: defaults, hubs that providers ask for, and checks of plugins' own settings.

use std::collections::BTreeMap;

use plugin_api::manifest::{HubManifest, Manifest, ProviderManifest};
use serde_json::{Map, Value, json};

use super::diagnostics::Mistake;
use super::draft::Facts;
use super::settings::{HubBinding, Settings};
use super::source::{Place, SourceMap};
use super::tree::{Entry, Kind, Node, Step, steps};
use super::{nearest, validate};

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

/// Adds what the file leaves to the manifests: with `autoload`, every plugin it does not name; for a provider
/// without `hubs`, the hubs that its manifest asks for, and those that are not configured as well.
pub(super) fn complete(tree: &mut Node, manifests: &Manifests, sources: &mut SourceMap) {
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
pub(super) fn lay_defaults(tree: &mut Node, manifests: &Manifests, sources: &mut SourceMap) {
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

/// Checks everything that depends on manifests.
pub(super) fn check(facts: &Facts<'_>, manifests: &Manifests, mistakes: &mut Vec<Mistake>) {
    for hub in &facts.settings.hubs {
        let base = steps!["hubs", &hub.name];
        let Some(manifest) = find(facts, manifests, &base, &hub.plugin, mistakes) else {
            continue;
        };
        let Some(manifest) = manifest.hub.as_ref() else {
            mistakes.push(wrong_component(facts, &base, &hub.plugin, "provider", "hub"));
            continue;
        };
        check_hub(facts, &base, &hub.plugin, manifest, mistakes);
    }
    for provider in &facts.settings.providers {
        let base = steps!["providers", &provider.name];
        let Some(manifest) = find(facts, manifests, &base, &provider.plugin, mistakes) else {
            continue;
        };
        let Some(manifest) = manifest.provider.as_ref() else {
            mistakes.push(wrong_component(facts, &base, &provider.plugin, "hub", "provider"));
            continue;
        };
        let config = [base.as_slice(), &steps!["config"]].concat();
        check_config(facts, &config, &provider.plugin, &manifest.config, mistakes);
        check_kinds(facts, manifests, &base, manifest, &provider.hubs, mistakes);
    }
}

fn check_hub(
    facts: &Facts<'_>,
    base: &[Step],
    plugin: &str,
    manifest: &HubManifest,
    mistakes: &mut Vec<Mistake>,
) {
    check_config(
        facts,
        &[base, &steps!["config"]].concat(),
        plugin,
        &manifest.config,
        mistakes,
    );
    for index in 0..length(facts, &[base, &steps!["instances"]].concat()) {
        let at = [base, &steps!["instances", index, "config"]].concat();
        check_config(facts, &at, plugin, &manifest.instance_config, mistakes);
    }
    for index in 0..length(facts, &[base, &steps!["start"]].concat()) {
        let at = [base, &steps!["start", index]].concat();
        match &manifest.start {
            Some(schema) => check_config(facts, &at, plugin, schema, mistakes),
            None => mistakes.push(
                Mistake::new(format!("`{plugin}` does not start anything"))
                    .at(facts.tree.point_at(&at), "cannot be started")
                    .help("list what is already running under `instances`"),
            ),
        }
    }
}

/// Checks one table against the schema its plugin has for it.
fn check_config(facts: &Facts<'_>, at: &[Step], plugin: &str, schema: &Value, mistakes: &mut Vec<Mistake>) {
    let absent;
    let node = match facts.tree.at(at) {
        Some(node) => node,
        None => {
            let Some(place) = facts.tree.point_at(at) else {
                return;
            };
            absent = Node::empty_table(place);
            &absent
        }
    };
    if schema.is_null() {
        if let Some(first) = node.entries().first() {
            mistakes.push(
                Mistake::new(format!("`{plugin}` has no settings of its own here"))
                    .at(Some(first.key.clone()), "not known")
                    .help("take it out"),
            );
        }
        return;
    }
    let misfits = validate::validate(&strict(schema), node, facts.tree, at);
    let told = misfits.into_iter().filter(|misfit| !misfit.silent);
    mistakes.extend(told.map(|misfit| misfit.mistake));
}

/// The schema, with unknown keys refused where its author has not said anything about them: a misspelt key that
/// is silently ignored is the worst kind of mistake.
fn strict(schema: &Value) -> Value {
    let open = [
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "$ref",
    ];
    let mut schema = schema.clone();
    if let Some(object) = schema.as_object_mut()
        && object.contains_key("properties")
        && !open.iter().any(|keyword| object.contains_key(*keyword))
    {
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    schema
}

fn find<'m>(
    facts: &Facts<'_>,
    manifests: &'m Manifests,
    base: &[Step],
    plugin: &str,
    mistakes: &mut Vec<Mistake>,
) -> Option<&'m Manifest> {
    let at = [base, &steps!["plugin"]].concat();
    // One that is written and ill-formed has its own mistake.
    if facts.whole.at(&at).is_some() && facts.tree.at(&at).is_none() {
        return None;
    }
    let found = manifests.get(plugin);
    if let (None, Some(why)) = (found, facts.refused.get(plugin)) {
        mistakes.push(
            Mistake::new(format!("the plugin `{plugin}` was refused"))
                .at(facts.tree.point_at(&at), "there, and not taken")
                .help(why),
        );
    } else if found.is_none() {
        let hub = base.first() == Some(&Step::from("hubs"));
        let fits = |manifest: &Manifest| {
            if hub {
                manifest.hub.is_some()
            } else {
                manifest.provider.is_some()
            }
        };
        let known: Vec<&str> = manifests
            .iter()
            .filter(|(_, manifest)| fits(manifest))
            .map(|(id, _)| id.as_str())
            .collect();
        let seen = "`gleitzeit plugin list` shows which files were found, and why one was refused";
        let help = match nearest::suggestion(plugin, &known) {
            Some(suggestion) if suggestion.ends_with('?') => format!("{suggestion} {seen}"),
            Some(known) => format!("{known}; {seen}"),
            None => format!("there is no such plugin in `host.plugin_dirs`; {seen}"),
        };
        mistakes.push(
            Mistake::new(format!("there is no plugin `{plugin}`"))
                .at(facts.tree.point_at(&at), "not found in `host.plugin_dirs`")
                .help(help),
        );
    }
    found
}

fn wrong_component(facts: &Facts<'_>, base: &[Step], plugin: &str, is: &str, wanted: &str) -> Mistake {
    Mistake::new(format!("`{plugin}` is a {is}, not a {wanted}"))
        .at(
            facts.tree.point_at(&[base, &steps!["plugin"]].concat()),
            format!("not a {wanted}"),
        )
        .help(format!("put it under [{is}s.NAME]"))
}

/// A provider can use only the kinds of resources that its manifest lists.
fn check_kinds(
    facts: &Facts<'_>,
    manifests: &Manifests,
    base: &[Step],
    manifest: &ProviderManifest,
    binding: &HubBinding,
    mistakes: &mut Vec<Mistake>,
) {
    let at = |step: Step| [base, &[Step::from("hubs"), step]].concat();
    let bound: Vec<(Vec<Step>, &str)> = match binding {
        HubBinding::ByManifest => {
            // One that is written and ill-formed has its own mistake.
            let written = facts.whole.at(&[base, &steps!["hubs"]].concat()).is_some();
            if !manifest.requires.is_empty() && !written {
                mistakes.push(
                    Mistake::new(format!("no hub provides `{}`", manifest.requires.join("` or `")))
                        .at(facts.tree.point_at(base), "needs a hub")
                        .help("put a hub's plugin for it into `host.plugin_dirs`"),
                );
            }
            return;
        }
        HubBinding::Ordered(names) => names
            .iter()
            .enumerate()
            .map(|(index, name)| (at(index.into()), name.as_str()))
            .collect(),
        HubBinding::ByRole(roles) => roles
            .iter()
            .map(|(role, name)| (at(role.into()), name.as_str()))
            .collect(),
    };
    for (at, name) in bound {
        let hub = facts.settings.hubs.iter().find(|hub| hub.name == name);
        let provides = hub.and_then(|hub| Some(&manifests.get(&hub.plugin)?.hub.as_ref()?.provides));
        if let Some(provides) = provides.filter(|provides| !manifest.requires.contains(provides)) {
            mistakes.push(
                Mistake::new(format!(
                    "hub `{name}` provides `{provides}`, which the provider cannot use"
                ))
                .at(facts.tree.point_at(&at), "of another kind")
                .help(format!(
                    "bind it to a hub that provides `{}`",
                    manifest.requires.join("` or `")
                )),
            );
        }
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

fn length(facts: &Facts<'_>, at: &[Step]) -> usize {
    match facts.tree.at(at).map(|node| &node.kind) {
        Some(Kind::Array(items)) => items.len(),
        _ => 0,
    }
}
