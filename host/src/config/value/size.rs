//! Sizes as people write them: `"32MiB"`, `"64 KiB"`, or a number of bytes.

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Reads a size in bytes.
///
/// # Errors
/// Not a size; the message says what is.
pub fn parse(text: &str) -> Result<u64, String> {
    text.parse::<ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| "after the number goes one of B, KiB, MiB, GiB, KB, MB, GB".to_owned())
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
    let bytes: u64 = (*bytes).try_into().unwrap_or(u64::MAX);
    match bytes {
        0 => serializer.serialize_u64(0),
        _ if bytes.is_multiple_of(1 << 30) => serializer.collect_str(&format_args!("{}GiB", bytes >> 30)),
        _ if bytes.is_multiple_of(1 << 20) => serializer.collect_str(&format_args!("{}MiB", bytes >> 20)),
        _ if bytes.is_multiple_of(1 << 10) => serializer.collect_str(&format_args!("{}KiB", bytes >> 10)),
        _ => bytes.serialize(serializer),
    }
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
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Spelling {
        Bytes(u64),
        Text(String),
    }
    let bytes = match Spelling::deserialize(deserializer)? {
        Spelling::Bytes(bytes) => bytes,
        Spelling::Text(text) => parse(&text).map_err(de::Error::custom)?,
    };
    T::try_from(bytes).map_err(|_| de::Error::custom("larger than this machine can address"))
}
