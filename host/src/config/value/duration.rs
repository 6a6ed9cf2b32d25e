//! Durations as people write them: `"30s"`, `"1m 30s"`, `"250ms"`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de};

/// Reads a duration.
///
/// # Errors
/// Not a duration, or longer than anybody means; the message says what is.
pub fn parse(text: &str) -> Result<Duration, String> {
    // A century: beyond it, sums of deadlines would overflow somewhere.
    const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration > LONGEST {
        return Err("longer than a century".to_owned());
    }
    Ok(duration)
}

/// For `#[serde(with)]`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

/// For `#[serde(with)]`.
///
/// # Errors
/// Not a duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}
