//! The manifest says what the types say.

use plugin_api::testing::{assert_states, schema_of};
use python_provider::Config;

#[test]
fn the_schema_of_the_configuration_is_that_of_its_type() {
    let manifest: toml::Table = include_str!("../../manifest.toml").parse().unwrap();
    let stated = serde_json::to_value(&manifest["provider"]["config"]).unwrap();
    assert_states(&stated, &schema_of::<Config>());
}
