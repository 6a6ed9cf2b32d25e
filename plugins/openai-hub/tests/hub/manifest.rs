//! The manifest says of the settings what the code reads.

use openai_hub::{Config, InstanceConfig};
use plugin_api::manifest::Manifest;
use plugin_api::testing::{assert_states, schema_of};

#[test]
fn the_schemas_are_those_of_the_types() {
    let manifest: Manifest = toml::from_str(include_str!("../../manifest.toml")).unwrap();
    let hub = manifest.hub.unwrap();
    assert_states(&hub.config, &schema_of::<Config>());
    assert_states(&hub.instance_config, &schema_of::<InstanceConfig>());
}
