//! The manifest says of the settings what the code reads.

use openai_hub::{Config, InstanceConfig};
use plugin_api::manifest::{HubManifest, Manifest};
use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};

fn manifest() -> HubManifest {
    let manifest: Manifest = toml::from_str(include_str!("../../manifest.toml")).unwrap();
    manifest.hub.unwrap()
}

/// The schema that the type gives, as a manifest states it. A flattened type cannot refuse unknown keys by itself, so
/// the manifest does.
fn schema_of<T: JsonSchema>() -> Value {
    let mut schema = tidied(schema_for!(T).into());
    schema["additionalProperties"] = json!(false);
    schema.as_object_mut().unwrap().remove("description");
    schema
}

/// Without what a manifest leaves out: TOML has no null, and titles and Rust's own number formats are the type's affair.
fn tidied(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(key, value)| {
                !value.is_null() && !["$schema", "title", "format"].contains(&key.as_str())
            });
            kept.map(|(key, value)| (key, tidied(value))).collect()
        }
        Value::Array(items) => match items.as_slice() {
            [one, null] if null == "null" => one.clone(),
            _ => items.into_iter().map(tidied).collect(),
        },
        other => other,
    }
}

#[track_caller]
fn assert_says(stated: &Value, read: &Value) {
    let expected = toml::to_string(read).unwrap();
    assert_eq!(stated, read, "the manifest should say:\n{expected}");
}

#[test]
fn the_schemas_are_those_of_the_types() {
    let hub = manifest();
    assert_says(&hub.config, &schema_of::<Config>());
    assert_says(&hub.instance_config, &schema_of::<InstanceConfig>());
}
