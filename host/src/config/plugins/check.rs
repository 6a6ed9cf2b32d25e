//! Checks everything in the settings that only manifests can judge.

use plugin_api::manifest::{HubManifest, Manifest, ProviderManifest};
use serde_json::Value;

use super::Manifests;
use crate::config::diagnostics::Mistake;
use crate::config::draft::Facts;
use crate::config::nearest;
use crate::config::settings::HubBinding;
use crate::config::tree::{Kind, Node, Step, dotted, steps};
use crate::config::validate::Schema;
use crate::config::value::format;

/// Checks everything that depends on manifests.
pub(in crate::config) fn check(facts: &Facts<'_>, manifests: &Manifests, mistakes: &mut Vec<Mistake>) {
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
    let config = [base, &steps!["config"]].concat();
    check_config(facts, &config, plugin, &manifest.config, mistakes);
    let instances = [base, &steps!["instances"]].concat();
    let own = Own::new(plugin, &manifest.instance_config);
    for index in 0..length(facts, &instances) {
        let at = [base, &steps!["instances", index, "config"]].concat();
        own.check(facts, &at, mistakes);
    }
    check_schemes(facts, base, &manifest.schemes, mistakes);
    let start = manifest.start.as_ref().map(|schema| Own::new(plugin, schema));
    for index in 0..length(facts, &[base, &steps!["start"]].concat()) {
        let at = [base, &steps!["start", index]].concat();
        match &start {
            Some(own) => own.check(facts, &at, mistakes),
            None => mistakes.push(
                Mistake::new(format!("`{plugin}` does not start anything"))
                    .at(facts.tree.point_at(&at), "cannot be started")
                    .help("list what is already running under `instances`"),
            ),
        }
    }
    let warm = [base, &steps!["warm"]].concat();
    if manifest.start.is_none() && facts.tree.at(&warm).is_some() {
        mistakes.push(
            Mistake::new(format!("`{plugin}` does not start anything"))
                .at(facts.tree.point_at(&warm), "nothing can be kept warm")
                .help("take it out"),
        );
    }
}

/// Checks that instances' URLs are of schemes that their hub knows. Looks at what is written, because by now entries that
/// are wrong otherwise are taken out, and those behind them have other numbers.
fn check_schemes(facts: &Facts<'_>, base: &[Step], known: &[String], mistakes: &mut Vec<Mistake>) {
    let list = [base, &steps!["instances"]].concat();
    let Some(Kind::Array(items)) = facts.whole.at(&list).map(|node| &node.kind) else {
        return;
    };
    for (index, item) in items.iter().enumerate() {
        let url = item.entry("url").and_then(|entry| entry.node.as_str());
        // One without a scheme has its own mistake.
        let Some((scheme, _)) = url.and_then(|url| url.split_once("://")) else {
            continue;
        };
        let Err(why) = format::check_scheme(scheme, known) else {
            continue;
        };
        let at = [base, &steps!["instances", index, "url"]].concat();
        let url = format::named("resource-url").map_or("a URL", |format| format.what);
        let example = known
            .first()
            .map_or("http://gpu1:11434".to_owned(), |scheme| format!("{scheme}://…"));
        mistakes.push(
            Mistake::new(format!("`{}` is not {url}: {why}", dotted(&at)))
                .at(facts.whole.point_at(&at), format!("not {url}"))
                .help(format!("write it like \"{example}\"")),
        );
    }
}

/// Checks one table against the schema its plugin has for it.
fn check_config(facts: &Facts<'_>, at: &[Step], plugin: &str, schema: &Value, mistakes: &mut Vec<Mistake>) {
    Own::new(plugin, schema).check(facts, at, mistakes);
}

/// What a plugin says of its own settings at some place.
struct Own<'a> {
    plugin: &'a str,
    /// `None`: it has none there.
    schema: Option<Schema>,
}

impl<'a> Own<'a> {
    fn new(plugin: &'a str, schema: &Value) -> Self {
        Self {
            plugin,
            schema: (!schema.is_null()).then(|| Schema::new(strict(schema))),
        }
    }

    fn check(&self, facts: &Facts<'_>, at: &[Step], mistakes: &mut Vec<Mistake>) {
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
        let Some(schema) = &self.schema else {
            if let Some(first) = node.entries().first() {
                mistakes.push(
                    Mistake::new(format!("`{}` has no settings of its own here", self.plugin))
                        .at(Some(first.key.clone()), "not known")
                        .help("take it out"),
                );
            }
            return;
        };
        let misfits = schema.misfits(node, facts.tree, at);
        let told = misfits.into_iter().filter(|misfit| !misfit.silent);
        mistakes.extend(told.map(|misfit| misfit.mistake));
    }
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

fn length(facts: &Facts<'_>, at: &[Step]) -> usize {
    match facts.tree.at(at).map(|node| &node.kind) {
        Some(Kind::Array(items)) => items.len(),
        _ => 0,
    }
}
