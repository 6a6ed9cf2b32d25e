//! Durations as people write them: `"30s"`, `"1m 30s"`, `"250ms"`.

use std::time::Duration;

use plugin_api::quantity::Span;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Reads a duration.
///
/// # Errors
/// Not a duration, or longer than anybody means; the message says what is.
pub fn parse(text: &str) -> Result<Duration, String> {
    Span::parse(text).map(|span| span.0)
}

/// For `#[serde(with)]`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    Span(*duration).serialize(serializer)
}

/// For `#[serde(with)]`.
///
/// # Errors
/// Not a duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}
