//! Schemas as the types give them, to hold a manifest against.

use schemars::JsonSchema;
use serde_json::{Value, json};

/// The schema of a type as a manifest states it, so that a test can demand that the two are equal.
///
/// TOML has no null, so an optional value is one that may be absent; titles and Rust's own number formats are left
/// out, and so is what the type says of itself, because the manifest says it elsewhere. Unknown keys are refused,
/// which a type with flattened parts cannot say by itself.
pub fn schema_of<T: JsonSchema>() -> Value {
    let mut schema = tidied(schemars::schema_for!(T).into());
    if let Value::Object(fields) = &mut schema {
        fields.remove("description");
        if fields.get("type") == Some(&json!("object")) {
            fields.insert("additionalProperties".to_owned(), json!(false));
        }
    }
    schema
}

fn tidied(value: Value) -> Value {
    const LEFT_OUT: [&str; 2] = ["$schema", "title"];
    const NUMBERS: [&str; 3] = ["int", "uint", "float"];
    let is_number = |format: &Value| {
        let format = format.as_str().unwrap_or_default();
        format == "double" || NUMBERS.iter().any(|kind| format.starts_with(kind))
    };
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(key, value)| {
                // A property may be called like a keyword; then it has a schema.
                let left_out = LEFT_OUT.contains(&key.as_str()) || key == "format" && is_number(value);
                !value.is_null() && (value.is_object() || !left_out)
            });
            kept.map(|(key, value)| (key, tidied(value))).collect()
        }
        Value::Array(items) => match items.as_slice() {
            [kind, null] if null == "null" => kind.clone(),
            [kinds @ .., null] if null == "null" => kinds.to_vec().into(),
            _ => items.into_iter().map(tidied).collect(),
        },
        other => other,
    }
}

/// Fails with what the manifest should say, ready to be copied into it, unless it says that.
///
/// # Panics
/// The two differ.
#[track_caller]
pub fn assert_states(stated: &Value, schema: &Value) {
    let text = toml::to_string(schema).unwrap_or_else(|error| error.to_string());
    assert_eq!(stated, schema, "the manifest should say:\n{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of no importance.
    #[derive(JsonSchema)]
    #[allow(dead_code)]
    struct Settings {
        /// What it is called.
        title: Option<String>,
        size: u16,
    }

    #[test]
    fn a_schema_is_what_toml_can_say() {
        let expected = json!({
            "type": "object",
            "properties": {
                "title": { "description": "What it is called.", "type": "string" },
                "size": { "type": "integer", "minimum": 0, "maximum": 65535 },
            },
            "required": ["size"],
            "additionalProperties": false,
        });
        assert_eq!(schema_of::<Settings>(), expected);
        assert_states(&expected, &schema_of::<Settings>());
    }

    #[test]
    #[should_panic(expected = "the manifest should say:\ntype = \"object\"")]
    fn a_difference_is_told_with_what_to_write() {
        assert_states(&json!({}), &schema_of::<Settings>());
    }
}
