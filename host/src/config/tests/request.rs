//! One hub by itself, as a request describes it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::fixture::{file, manifests, no_file};
use crate::config::{Diagnostics, Draft, Settings};

fn requested(name: &str, table: Value) -> Result<Settings, Diagnostics> {
    requested_at(Path::new("/etc/gleitzeit"), name, table)
}

fn requested_at(base: &Path, name: &str, table: Value) -> Result<Settings, Diagnostics> {
    let table = table.as_object().unwrap().clone();
    Draft::of_hub(name, table, base, BTreeMap::new()).finish(Some(&manifests()))
}

fn messages(mistakes: &Diagnostics) -> Vec<(String, Option<String>)> {
    let told = mistakes.mistakes().iter();
    told.map(|mistake| (mistake.message.clone(), mistake.help.clone()))
        .collect()
}

#[test]
fn it_is_complete_with_every_default_and_paths_begin_where_the_files_do() {
    let beside = no_file().write("a.key", "secret", 0o600);
    let table = json!({
        "plugin": "gadget-hub",
        "instances": [{ "url": "http://a:1", "config": { "key_file": "a.key" } }],
        "config": { "ports": [1] },
    });
    let settings = requested_at(&beside.path(""), "more", table).unwrap();
    let hub = &settings.hubs[0];
    assert_eq!(
        (hub.name.as_str(), hub.strategy.name()),
        ("more", "model_affinity")
    );
    assert_eq!(hub.health.interval.as_secs(), 10, "the plugin's own default");
    assert_eq!(
        hub.instances[0].config["key_file"],
        beside.path("a.key").to_str().unwrap()
    );
    assert_eq!((settings.hubs.len(), settings.providers.len()), (1, 0));
    assert_eq!(
        requested("gadget", json!({})).unwrap().hubs[0].plugin,
        "gadget-hub"
    );
}

#[test]
fn mistakes_are_told_in_the_words_of_the_file() {
    for (table, text) in [
        (
            json!({ "plugin": "gadget-hub", "stratgey": "random" }),
            "plugin = \"gadget-hub\"\nstratgey = \"random\"",
        ),
        (
            json!({ "plugin": "gadget-hub", "strategy": "best" }),
            "plugin = \"gadget-hub\"\nstrategy = \"best\"",
        ),
        (
            json!({ "plugin": "gadget-hub", "config": { "prots": [1] } }),
            "plugin = \"gadget-hub\"\nconfig = { prots = [1] }",
        ),
        (
            json!({ "plugin": "gizmo-hub", "start": [{}] }),
            "plugin = \"gizmo-hub\"\nstart = [{}]",
        ),
        (json!({ "plugin": "nothing-hub" }), "plugin = \"nothing-hub\""),
        (json!({ "plugin": "toy-provider" }), "plugin = \"toy-provider\""),
        (
            json!({ "plugin": "gadget-hub", "instances": [{ "url": "a:1" }] }),
            "plugin = \"gadget-hub\"\ninstances = [{ url = \"a:1\" }]",
        ),
    ] {
        let requested = requested("more", table).unwrap_err();
        let written = file(format!("[hubs.more]\n{text}\n")).load().unwrap_err();
        assert_eq!(messages(&requested), messages(&written), "{text}");
    }
}

#[test]
fn null_is_no_setting_and_a_name_is_plain() {
    assert!(requested("more", json!({ "plugin": null })).is_err());
    assert!(requested("../x", json!({ "plugin": "gadget-hub" })).is_err());
    assert!(requested("", json!({ "plugin": "gadget-hub" })).is_err());
}
