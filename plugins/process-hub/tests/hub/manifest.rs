//! The manifest says of the settings and the verbs what the code reads.

use plugin_api::manifest::{HubManifest, Manifest};
use plugin_api::testing::{assert_states, conformance, schema_of};
use process_hub::{Config, ProcessHub, arguments};
use serde_json::json;

use crate::support::launcher;

const MANIFEST: &str = include_str!("../../manifest.toml");

fn manifest() -> HubManifest {
    let manifest: Manifest = toml::from_str(MANIFEST).unwrap();
    manifest.hub.unwrap()
}

#[test]
fn the_schemas_are_those_of_the_types() {
    assert_states(&manifest().config, &schema_of::<Config>());
}

#[test]
fn every_verb_is_described_as_it_is_read() {
    let verbs = manifest().verbs;
    let read = [
        ("list", schema_of::<arguments::Nothing>()),
        ("capabilities", schema_of::<arguments::Nothing>()),
        ("cleanup", schema_of::<arguments::Nothing>()),
        ("kill", schema_of::<arguments::Kill>()),
    ];
    assert_eq!(verbs.len(), read.len());
    for (name, schema) in read {
        assert_states(&verbs[name].arguments, &schema);
    }
}

#[tokio::test]
async fn it_answers_as_every_hub_must() {
    conformance::hub::<ProcessHub>(MANIFEST, &json!({ "launcher": launcher() }))
        .await
        .assert();
}
