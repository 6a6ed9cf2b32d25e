//! What does not fit a JSON Schema, in words for whoever sent it.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

/// Everything about a value that does not fit, each with its place: `strategy: …`. Empty where it fits.
pub(crate) fn misfits(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| told(&error)).collect()
}

fn told(error: &ValidationError<'_>) -> String {
    let what = match error.kind() {
        ValidationErrorKind::Enum { options } => among(error.instance(), options),
        ValidationErrorKind::AnyOf { .. } => "none of the forms it may have fits".to_owned(),
        _ => error.to_string(),
    };
    match error.instance_path().as_str() {
        "" => what,
        place => format!("{}: {what}", place.trim_start_matches('/').replace('/', ".")),
    }
}

/// All options, because a list cut short leaves one guessing, and the nearest of them first.
fn among(found: &Value, options: &Value) -> String {
    let words: Vec<&str> = options
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let known = words.join(", ");
    match found
        .as_str()
        .and_then(|found| crate::config::nearest::nearest(found, words.iter().copied()))
    {
        Some(nearest) => format!("{found} is unknown; did you mean \"{nearest}\"? Known are: {known}"),
        None => format!("{found} is unknown; known are: {known}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::misfits;

    #[test]
    fn every_mistake_is_told_with_its_place_and_all_that_would_be_right() {
        let schema = json!({
            "properties": {
                "strategy": { "enum": ["random", "weighted", "adaptive", "least_loaded"] },
                "n": { "type": "integer" },
            },
        });
        let validator = jsonschema::validator_for(&schema).expect("a good schema");
        let told = misfits(&validator, &json!({ "strategy": "wieghted", "n": "x" }));
        assert_eq!(told.len(), 2);
        let strategy = told
            .iter()
            .find(|told| told.starts_with("strategy: "))
            .expect("its place");
        assert!(
            strategy.contains("did you mean \"weighted\"") && strategy.contains("least_loaded"),
            "{strategy}"
        );
        assert!(misfits(&validator, &json!({ "n": 1 })).is_empty());
    }
}
