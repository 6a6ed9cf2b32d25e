//! Sizes and durations as people write them: `"64MiB"` or a number of bytes, `"30s"` or a number of seconds.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Whole(u64),
    Number(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        match Written::deserialize(deserializer) {
            Ok(Written::Whole(bytes)) => Ok(Self(bytes)),
            Ok(Written::Text(text)) => Self::parse(&text)
                .ok_or_else(|| D::Error::custom(format!("`{text}` is not a size: write it like \"64MiB\""))),
            _ => Err(D::Error::custom(
                "a size is a number of bytes, or text like \"64MiB\"",
            )),
        }
    }
}

impl Size {
    /// `512m` meant mebibytes to the Python system, as it does to container engines; `512MB` are decimal everywhere.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let short = text.chars().next_back().filter(|unit| "kmgKMG".contains(*unit));
        match short {
            Some(unit) => format!("{}{}iB", &text[..text.len() - 1], unit.to_ascii_uppercase())
                .parse::<bytesize::ByteSize>(),
            None => text.parse(),
        }
        .ok()
        .map(|size| Self(size.as_u64()))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let wrong = || D::Error::custom("a duration is a number of seconds, or text like \"30s\"");
        let seconds = |number: f64| Duration::try_from_secs_f64(number).map(Self).map_err(|_| wrong());
        match Written::deserialize(deserializer) {
            Ok(Written::Whole(whole)) => Ok(Self(Duration::from_secs(whole))),
            Ok(Written::Number(number)) => seconds(number),
            Ok(Written::Text(text)) => humantime::parse_duration(&text).map(Self).map_err(|_| wrong()),
            Err(_) => Err(wrong()),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_secs_f64())
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "minimum": 0 })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "string"], "minimum": 0 })
    }
}

/// A number of bytes for a person.
pub(crate) fn shown(bytes: u64) -> String {
    bytesize::ByteSize(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn sizes_are_understood_as_they_are_written() {
        for (written, bytes) in [
            (json!(5), 5),
            (json!("64MiB"), 64 << 20),
            (json!("512m"), 512 << 20),
            (json!("2g"), 2 << 30),
            (json!("1kB"), 1000),
        ] {
            assert_eq!(from_value::<Size>(written).unwrap(), Size(bytes));
        }
        for wrong in [json!("much"), json!(-1), json!(1.5), json!("1é"), json!([])] {
            assert!(from_value::<Size>(wrong).is_err());
        }
    }

    #[test]
    fn durations_are_understood_as_they_are_written() {
        for (written, millis) in [(json!(2), 2000), (json!(0.25), 250), (json!("1m 30s"), 90_000)] {
            assert_eq!(
                from_value::<Span>(written).unwrap(),
                Span(Duration::from_millis(millis))
            );
        }
        for wrong in [json!("soon"), json!(-1), json!(1e300), json!(null)] {
            assert!(from_value::<Span>(wrong).is_err());
        }
    }
}
