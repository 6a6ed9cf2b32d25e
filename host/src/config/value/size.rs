//! Sizes as people write them: `"32MiB"`, `"64 KiB"`, or a number of bytes.

use plugin_api::quantity::Size;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Reads a size in bytes.
///
/// # Errors
/// Not a size; the message says what is.
pub fn parse(text: &str) -> Result<u64, String> {
    Size::parse(text).map(|size| size.0)
}

/// For `#[serde(with)]`: the largest unit that keeps it exact.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<T, S>(bytes: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Copy + TryInto<u64>,
    S: Serializer,
{
    Size((*bytes).try_into().unwrap_or(u64::MAX)).serialize(serializer)
}

/// For `#[serde(with)]`.
///
/// # Errors
/// Not a size, or more than this machine can address.
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    let size = Size::deserialize(deserializer)?;
    T::try_from(size.0).map_err(|_| de::Error::custom("larger than this machine can address"))
}
