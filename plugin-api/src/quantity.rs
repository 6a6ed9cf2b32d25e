//! Sizes and lengths of time as people write them: `"64MiB"` or a number of bytes, `"1m 30s"` or a number of seconds.
//!
//! For settings and parameters alike, so that everything an operator or a caller writes is read in one way. The schemas
//! name the formats `byte-size` and `human-duration`; the host knows them, and tells of a wrong value in `plugins.toml`
//! with its place and an example before any plugin is asked.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of bytes.
///
/// Read from a whole number or from text with a unit, written as text in the largest unit that keeps it exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(pub u64);

/// A length of time.
///
/// Read from a number of seconds or from text with units, written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub Duration);

/// Either way of writing.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Whole(u64),
    Number(f64),
    Text(String),
}

impl Size {
    /// Reads text: a number, and a unit unless bytes are meant. Units of one letter, as in `512m`, are binary, as they are
    /// to container engines; `512MB` are decimal.
    ///
    /// # Errors
    /// Not a size; the message says what is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let letter = text.chars().next_back().filter(|unit| "kmgtKMGT".contains(*unit));
        let spelt = match letter {
            Some(unit) => format!("{}{}iB", &text[..text.len() - 1], unit.to_ascii_uppercase()),
            None => text.to_owned(),
        };
        spelt
            .parse::<bytesize::ByteSize>()
            .map(|size| Self(size.as_u64()))
            .map_err(|_| "after the number goes one of B, KiB, MiB, GiB, KB, MB, GB".to_owned())
    }
}

impl Span {
    /// The longest: a century. Beyond it, sums of deadlines would overflow somewhere.
    pub const LONGEST: Self = Self(Duration::from_secs(100 * 365 * 24 * 3600));

    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Reads text: numbers with their units, such as `250ms`, `30s` or `1m 30s`.
    ///
    /// # Errors
    /// Not a length of time, or longer than [`LONGEST`](Self::LONGEST); the message says what is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
        Self(span).checked()
    }

    fn from_seconds(seconds: f64) -> Result<Self, String> {
        let span = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
        Self(span).checked()
    }

    fn checked(self) -> Result<Self, String> {
        if self > Self::LONGEST {
            return Err("longer than a century".to_owned());
        }
        Ok(self)
    }
}

/// Writes a span, or one that may be absent, as a number of seconds: for what programs read, with
/// `#[serde(serialize_with = "as_seconds")]`.
///
/// # Errors
/// Those of the serializer.
pub fn as_seconds<T, S>(span: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Copy + Into<Option<Span>>,
    S: Serializer,
{
    let span: Option<Span> = (*span).into();
    span.map(|span| span.0.as_secs_f64()).serialize(serializer)
}

/// For a person: `64.0 MiB`.
impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        bytesize::ByteSize(self.0).fmt(formatter)
    }
}

/// For a person: `1m 30s`.
impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(formatter)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.0;
        match bytes {
            0 => serializer.serialize_u64(0),
            _ if bytes.is_multiple_of(1 << 30) => serializer.collect_str(&format_args!("{}GiB", bytes >> 30)),
            _ if bytes.is_multiple_of(1 << 20) => serializer.collect_str(&format_args!("{}MiB", bytes >> 20)),
            _ if bytes.is_multiple_of(1 << 10) => serializer.collect_str(&format_args!("{}KiB", bytes >> 10)),
            _ => serializer.serialize_u64(bytes),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer) {
            Ok(Written::Whole(bytes)) => Ok(Self(bytes)),
            Ok(Written::Text(text)) => Self::parse(&text)
                .map_err(|why| de::Error::custom(format!("`{text}` is not a size: {why}, as in \"64MiB\""))),
            _ => Err(de::Error::custom(
                "a size is a number of bytes, or text like \"64MiB\"",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = match Written::deserialize(deserializer) {
            Ok(Written::Whole(seconds)) => Self::seconds(seconds).checked(),
            Ok(Written::Number(seconds)) => Self::from_seconds(seconds),
            Ok(Written::Text(text)) => Self::parse(&text),
            Err(_) => Err("it is neither number nor text".to_owned()),
        };
        read.map_err(|why| {
            de::Error::custom(format!(
                "a duration is a number of seconds, or text like \"30s\": {why}"
            ))
        })
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
        json_schema!({ "type": ["integer", "string"], "minimum": 0, "format": "byte-size" })
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
        json_schema!({ "type": ["number", "string"], "minimum": 0, "format": "human-duration" })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn sizes_are_understood_as_they_are_written() {
        for (written, bytes) in [
            (json!(5), 5),
            (json!("64MiB"), 64 << 20),
            (json!("64 KiB"), 64 << 10),
            (json!("512m"), 512 << 20),
            (json!("2g"), 2 << 30),
            (json!("1kB"), 1000),
            (json!("7"), 7),
        ] {
            assert_eq!(from_value::<Size>(written).unwrap(), Size(bytes));
        }
        for wrong in [
            json!("much"),
            json!(""),
            json!("m"),
            json!(-1),
            json!(1.5),
            json!("1é"),
            json!([]),
        ] {
            assert!(from_value::<Size>(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lengths_of_time_are_understood_as_they_are_written() {
        for (written, millis) in [
            (json!(2), 2000),
            (json!(0.25), 250),
            (json!("1m 30s"), 90_000),
            (json!("0s"), 0),
        ] {
            let span = Span(Duration::from_millis(millis));
            assert_eq!(from_value::<Span>(written).unwrap(), span);
        }
        for wrong in [
            json!("soon"),
            json!(-1),
            json!(1e300),
            json!(u64::MAX),
            json!("1000years"),
            json!(null),
            json!([]),
        ] {
            assert!(from_value::<Span>(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for bytes in [0, 1, 1000, 1 << 10, 3 << 20, 5 << 30, (1 << 30) + 1, u64::MAX] {
            let written = to_value(Size(bytes)).unwrap();
            assert_eq!(from_value::<Size>(written).unwrap(), Size(bytes));
        }
        for span in [
            Span::default(),
            Span(Duration::from_millis(1)),
            Span::seconds(90),
            Span::LONGEST,
        ] {
            assert_eq!(from_value::<Span>(to_value(span).unwrap()).unwrap(), span);
        }
        assert_eq!(to_value(Size(3 << 20)).unwrap(), json!("3MiB"));
        assert_eq!(to_value(Span::seconds(90)).unwrap(), json!("1m 30s"));
    }
}
