//! The JSON Schema of `plugins.toml`, generated from the settings themselves.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::{Value, json};

use super::{Manifests, Settings};

/// The schema of the whole file, with every default and description, without references.
///
/// For editors, and for [`read`](super::read), which checks the file against it.
pub fn of_file() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(generate);
    &SCHEMA
}

fn generate() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Settings>();
    RecursiveTransform(without_null).transform(&mut schema);
    RecursiveTransform(within_range).transform(&mut schema);
    schema.to_value()
}

/// The same with the settings of each known plugin, for editors.
pub fn with_plugins(manifests: &Manifests) -> Value {
    let mut schema = of_file().clone();
    for (id, manifest) in manifests {
        if let Some(hub) = &manifest.hub {
            let mut then = json!({ "properties": {} });
            offer(&mut then["properties"], "config", &hub.config);
            if hub.instance_config.is_object() {
                then["properties"]["instances"] =
                    json!({ "items": { "properties": { "config": hub.instance_config } } });
            }
            if let Some(start) = &hub.start {
                then["properties"]["start"] = json!({ "items": start });
            }
            when_plugin_is(
                &mut schema["properties"]["hubs"]["additionalProperties"],
                id,
                then,
            );
        }
        if let Some(provider) = &manifest.provider {
            let mut then = json!({ "properties": {} });
            offer(&mut then["properties"], "config", &provider.config);
            when_plugin_is(
                &mut schema["properties"]["providers"]["additionalProperties"],
                id,
                then,
            );
        }
    }
    schema
}

fn offer(properties: &mut Value, key: &str, schema: &Value) {
    if schema.is_object() {
        properties[key] = schema.clone();
    }
}

fn when_plugin_is(component: &mut Value, id: &str, then: Value) {
    let condition = json!({
        "if": { "required": ["plugin"], "properties": { "plugin": { "const": id } } },
        "then": then,
    });
    match component.get_mut("allOf") {
        Some(Value::Array(conditions)) => conditions.push(condition),
        _ => component["allOf"] = json!([condition]),
    }
}

/// TOML has no null, so an optional key is one that may be left out.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    // A table's default only repeats those of its keys.
    if object
        .get("default")
        .is_some_and(|default| default.is_null() || default.is_object())
    {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            object["type"] = only.clone();
        }
    }
    if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
        branches.retain(|branch| branch.get("type") != Some(&json!("null")));
        if let [Value::Object(only)] = branches.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
}

/// The integer formats say the width; only `maximum` says it to a validator.
fn within_range(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    let (lowest, highest) = match object.get("format").and_then(Value::as_str) {
        Some("uint16") => (0, i64::from(u16::MAX)),
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        Some("uint32") => (0, i64::from(u32::MAX)),
        Some("uint" | "uint64") => (0, i64::MAX),
        _ => return,
    };
    object.entry("minimum").or_insert(lowest.into());
    object.entry("maximum").or_insert(highest.into());
}
