//! The manifest says of the settings and the verbs what the code reads.

use docker_hub::{Config, DockerHub, InstanceConfig};
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
}

#[tokio::test]
async fn it_answers_as_every_hub_must() {
    conformance::hub::<DockerHub>(MANIFEST, &json!({ "auto_discover": false }))
        .await
        .assert();
}
