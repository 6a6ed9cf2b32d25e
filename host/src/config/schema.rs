//! The JSON Schema of `plugins.toml`, generated from the settings themselves.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::{Value, json};

use super::Settings;

/// The schema of the whole file, with every default and description, without references.
///
/// For editors, and for [`read`](super::read), which checks the file against it.
pub fn of_file() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Settings>();
    RecursiveTransform(without_null).transform(&mut schema);
    RecursiveTransform(within_range).transform(&mut schema);
    schema.to_value()
}

/// TOML has no null, so an optional key is one that may be left out.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if object.get("default") == Some(&Value::Null) {
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

#[cfg(test)]
mod tests {
    #[test]
    fn show() {
        println!("{}", serde_json::to_string_pretty(&super::of_file()).unwrap());
    }
}
