//! The manifest says of the settings what the code reads.

use openai_hub::{Config, InstanceConfig, OpenaiHub};
use plugin_api::manifest::Manifest;
use plugin_api::testing::{assert_states, conformance, schema_of};
use serde_json::json;

const MANIFEST: &str = include_str!("../../manifest.toml");

#[test]
fn the_schemas_are_those_of_the_types() {
    let manifest: Manifest = toml::from_str(MANIFEST).unwrap();
    let hub = manifest.hub.unwrap();
    assert_states(&hub.config, &schema_of::<Config>());
    assert_states(&hub.instance_config, &schema_of::<InstanceConfig>());
}

#[tokio::test]
async fn it_answers_as_every_hub_must() {
    conformance::hub::<OpenaiHub>(MANIFEST, &json!({})).await.assert();
}
