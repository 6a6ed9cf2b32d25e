//! What a file may leave out because manifests know it.

use serde_json::json;

use super::fixture::{file, manifests};
use crate::config::settings::HubBinding;

fn ordered(names: &[&str]) -> HubBinding {
    HubBinding::Ordered(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn the_smallest_useful_file_is_one_line() {
    let settings = file("providers.toy.plugin = 'toy-provider'").settings();
    let hubs: Vec<_> = settings
        .hubs
        .iter()
        .map(|hub| (hub.name.as_str(), hub.plugin.as_str()))
        .collect();
    assert_eq!(hubs, [("gadget", "gadget-hub"), ("gizmo", "gizmo-hub")]);
    assert_eq!(settings.providers[0].hubs, ordered(&["gadget", "gizmo"]));
}

#[test]
fn a_hub_added_so_has_its_manifests_defaults() {
    let settings = file("[providers.toy]").settings();
    assert_eq!(settings.hubs[0].strategy.name(), "model_affinity");
}

#[test]
fn a_manifest_may_know_better_how_many_to_keep_warm() {
    let mut manifests = manifests();
    let hub = manifests.get_mut("gadget-hub").unwrap().hub.as_mut().unwrap();
    hub.defaults = json!({ "warm": { "max": 3, "max_uses": 1 } });
    let settings = file("[hubs.gadget]\nwarm = { max = 5 }")
        .load_with(&manifests)
        .unwrap();
    let warm = &settings.hubs[0].warm;
    assert_eq!((warm.min_idle, warm.max, warm.max_uses), (1, 5, 1));
}

#[test]
fn flags_reach_a_hub_that_is_only_added() {
    let settings = file("[providers.toy]")
        .set("hubs.gadget.strategy=random")
        .settings();
    assert_eq!(settings.hubs[0].strategy.name(), "random");
    assert_eq!(settings.hubs.len(), 2);
}

#[test]
fn configured_hubs_of_a_kind_are_taken_before_any_is_added() {
    let text = "[hubs.mine]\nplugin = 'gadget-hub'\n[hubs.other]\nplugin = 'gadget-hub'\n[providers.toy]";
    let settings = file(text).settings();
    assert_eq!(settings.providers[0].hubs, ordered(&["mine", "other", "gizmo"]));
    assert_eq!(settings.hubs.len(), 3);
}

#[test]
fn a_binding_that_is_written_stays_as_it_is() {
    let settings = file("[hubs.gadget]\n[providers.toy]\nhubs = { fast = 'gadget' }").settings();
    assert_eq!(settings.hubs.len(), 1);
    let HubBinding::ByRole(roles) = &settings.providers[0].hubs else {
        panic!("{settings:?}")
    };
    assert_eq!(roles["fast"], "gadget");
}

#[test]
fn plugins_that_the_file_does_not_name_run_only_with_autoload() {
    assert!(file("[host]").settings().hubs.is_empty());
    let settings = file("[host]\nautoload = true\n[hubs.stones]\nplugin = 'rock-hub'").settings();
    let hubs: Vec<_> = settings.hubs.iter().map(|hub| hub.name.as_str()).collect();
    assert_eq!(hubs, ["stones", "gadget", "gizmo"]);
    assert_eq!(settings.providers[0].name, "toy");
}

#[test]
fn without_manifests_bindings_stay_open() {
    let settings = file("[providers.toy]").load_alone().unwrap();
    assert_eq!(settings.providers[0].hubs, HubBinding::ByManifest);
    assert_eq!(settings.providers[0].plugin, "toy-provider");
}

#[test]
fn a_mistake_in_a_manifest_is_shown_as_the_manifests() {
    let mut manifests = manifests();
    let hub = manifests.get_mut("gadget-hub").unwrap().hub.as_mut().unwrap();
    hub.defaults = json!({ "strategy": "fastest" });
    hub.config = json!({ "type": 7 });
    let said = file("[hubs.gadget]")
        .load_with(&manifests)
        .unwrap_err()
        .to_string();
    assert!(said.contains("the manifest of gadget-hub"), "{said}");
    assert!(said.contains("the plugin's schema is not valid"), "{said}");
}

#[test]
fn a_plugin_that_is_there_and_was_refused_is_told_as_that() {
    let refused = [("lost-hub".to_owned(), "lost.so: writable by others".to_owned())];
    let fixture = file("[hubs.lost]");
    let draft = fixture.draft().with_refused(refused.into());
    let said = draft.finish(Some(&manifests())).unwrap_err().to_string();
    assert!(said.contains("the plugin `lost-hub` was refused"), "{said}");
    assert!(said.contains("writable by others"), "{said}");
}
