//! The schema of the file says what the check says, because it is what the check checks against.

use serde_json::{Value, json};

use super::fixture::manifests;
use crate::config::{Settings, schema};

#[test]
fn every_key_has_a_description() {
    fn walk(schema: &Value, path: &str) {
        for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            assert!(inner["description"].is_string(), "{path} has no description");
            walk(inner, &path);
            walk(&inner["additionalProperties"], &path);
            walk(&inner["items"], &path);
        }
    }
    walk(schema::of_file(), "");
}

#[test]
fn the_defaults_fit_the_schema() {
    let validator = jsonschema::validator_for(schema::of_file()).unwrap();
    let defaults = serde_json::to_value(Settings::default()).unwrap();
    if let Err(error) = validator.validate(&defaults) {
        panic!("{error}");
    }
}

#[test]
fn a_defaults_text_reads_back_as_the_default() {
    let text = serde_json::to_value(Settings::default()).unwrap();
    assert_eq!(
        serde_json::from_value::<Settings>(text).unwrap(),
        Settings::default()
    );
}

#[test]
fn a_known_plugins_own_settings_are_in_the_schema() {
    let schema = schema::with_plugins(&manifests());
    let validator = jsonschema::validator_for(&schema).unwrap();
    let file =
        |colour: &str| json!({ "hubs": { "g": { "plugin": "gadget-hub", "config": { "colour": colour } } } });
    assert!(validator.is_valid(&file("red")));
    assert!(!validator.is_valid(&file("blue")));
    let other = json!({ "hubs": { "g": { "plugin": "unknown-hub", "config": { "colour": "blue" } } } });
    assert!(validator.is_valid(&other));
}
