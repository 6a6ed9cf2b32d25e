//! The manifest says of the settings and the verbs what the code reads.

use ollama_hub::{Config, InstanceConfig, OllamaHub, StartConfig, arguments};
use plugin_api::manifest::{HubManifest, Manifest};
use plugin_api::testing::{assert_states, conformance, schema_of};
use serde_json::json;

const MANIFEST: &str = include_str!("../../manifest.toml");

fn manifest() -> HubManifest {
    let manifest: Manifest = toml::from_str(MANIFEST).unwrap();
    manifest.hub.unwrap()
}

#[test]
fn the_schemas_are_those_of_the_types() {
    let hub = manifest();
    assert_states(&hub.config, &schema_of::<Config>());
    assert_states(&hub.instance_config, &schema_of::<InstanceConfig>());
    assert_states(&hub.start.unwrap(), &schema_of::<StartConfig>());
}

#[test]
fn every_verb_is_described_as_it_is_read() {
    let verbs = manifest().verbs;
    let read = [
        ("pull", schema_of::<arguments::Pull>()),
        ("delete", schema_of::<arguments::Model>()),
        ("copy", schema_of::<arguments::Copy>()),
        ("show", schema_of::<arguments::Show>()),
        ("load", schema_of::<arguments::Load>()),
        ("unload", schema_of::<arguments::Model>()),
        ("ps", schema_of::<arguments::Nothing>()),
        ("models", schema_of::<arguments::Nothing>()),
    ];
    assert_eq!(verbs.len(), read.len());
    for (name, schema) in read {
        assert_states(&verbs[name].arguments, &schema);
        if let Some(positional) = &verbs[name].positional {
            assert!(
                schema["properties"].get(positional).is_some(),
                "{name}: {positional}"
            );
        }
    }
}

#[tokio::test]
async fn it_answers_as_every_hub_must() {
    conformance::hub::<OllamaHub>(MANIFEST, &json!({ "auto_discover": false }))
        .await
        .assert();
}
