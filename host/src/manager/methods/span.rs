//! Durations as callers write them: seconds, or text such as `5m`.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::config::value::duration;

/// A duration: a number of seconds, or text such as `1m 30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Seconds(f64),
            Text(String),
        }
        let read = match Written::deserialize(deserializer)? {
            Written::Seconds(seconds) => {
                Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
            }
            Written::Text(text) => duration::parse(&text).map_err(|error| error.to_string()),
        };
        read.map(Span).map_err(de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "string"], "minimum": 0 })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::Span;

    #[test]
    fn a_duration_is_seconds_or_text() {
        let read = |value| serde_json::from_value::<Span>(value).map(|span| span.0);
        assert_eq!(read(json!(1.5)).unwrap(), Duration::from_millis(1500));
        assert_eq!(read(json!("1m 30s")).unwrap(), Duration::from_secs(90));
        for nonsense in [json!(-1), json!("soon"), json!(1e300), json!(null), json!([])] {
            assert!(read(nonsense.clone()).is_err(), "{nonsense}");
        }
    }
}
