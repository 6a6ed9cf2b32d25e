//! The configuration: its schema and its type agree.
//!
//! The host checks a configuration against the schema, with line and column, before the plugin sees it. What the
//! schema lets through and the type refuses is a mistake that an operator finds out too late.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::report::Report;

pub(super) fn check<C: DeserializeOwned>(schema: &Value, config: &Value, report: &mut Report) {
    let schema = if schema.is_null() { &json!(true) } else { schema };
    let Ok(validator) = jsonschema::validator_for(schema) else {
        // Reported with the other schemas.
        return;
    };
    report.check(
        "the schema accepts the configuration",
        validator
            .iter_errors(config)
            .map(|error| format!("{}: {error}", error.instance_path())),
    );
    report.check(
        "the configuration's type accepts the configuration",
        refused::<C>(config).map(|error| format!("{config}: {error}")),
    );
    let disagreements = candidates(schema, config)
        .into_iter()
        .filter(|candidate| validator.is_valid(candidate))
        .filter_map(|candidate| {
            let error = refused::<C>(&candidate)?;
            Some(format!(
                "the schema accepts {candidate}, the type does not: {error}"
            ))
        });
    report.check(
        "whatever the schema accepts, the type accepts",
        disagreements.collect::<Vec<_>>(),
    );
}

fn refused<C: DeserializeOwned>(config: &Value) -> Option<String> {
    serde_json::from_value::<C>(config.clone())
        .err()
        .map(|error| error.to_string())
}

/// Configurations with one thing changed: a key nobody knows, or a value of another type at one of the schema's
/// places. Texts are taken from the schema, because what a text may say is more than a type.
fn candidates(schema: &Value, config: &Value) -> Vec<Value> {
    let mut unknown = config.clone();
    if let Value::Object(fields) = &mut unknown {
        fields.insert("surely-nobody-knows-this".to_owned(), json!(1));
    }
    let mut candidates = vec![json!({}), unknown];
    for (place, schema) in places(schema, &mut Vec::new()) {
        let values = [
            json!(null),
            json!(true),
            json!(0),
            json!(1),
            json!(-1),
            json!(1.5),
            json!([]),
            json!({}),
        ];
        let texts = schema["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .chain(schema.get("default"));
        for value in values.iter().chain(texts) {
            let mut candidate = config.clone();
            if put(&mut candidate, &place, value.clone()) {
                candidates.push(candidate);
            }
        }
    }
    candidates
}

type Place<'a> = (Vec<String>, &'a Value);

fn places<'a>(schema: &'a Value, path: &mut Vec<String>) -> Vec<Place<'a>> {
    let mut found = Vec::new();
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        path.push(name.clone());
        found.push((path.clone(), schema));
        found.extend(places(schema, path));
        path.pop();
    }
    found
}

/// Puts a value at a place, making the objects on the way. `false` where something else stands in the way.
fn put(target: &mut Value, place: &[String], value: Value) -> bool {
    let Some((first, rest)) = place.split_first() else {
        *target = value;
        return true;
    };
    match target {
        Value::Object(fields) => put(
            fields.entry(first.clone()).or_insert_with(|| json!({})),
            rest,
            value,
        ),
        _ => false,
    }
}
