//! Tables whose keys are names, as lists in the order of the file.
//!
//! A plain map would lose that order, and the order of hubs is an operator's preference.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An entry that knows the key it stands under.
pub trait Named {
    /// The key.
    fn name(&self) -> &str;
    /// Takes the key over.
    fn set_name(&mut self, name: String);
}

/// For `#[serde(with)]`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<T, S>(entries: &[T], serializer: S) -> Result<S::Ok, S::Error>
where
    T: Named + Serialize,
    S: Serializer,
{
    let mut map = serializer.serialize_map(Some(entries.len()))?;
    for entry in entries {
        map.serialize_entry(entry.name(), entry)?;
    }
    map.end()
}

/// For `#[serde(with)]`.
///
/// # Errors
/// Those of the entries.
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Named + Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Entries<T>(PhantomData<T>);

    impl<'de, T: Named + Deserialize<'de>> Visitor<'de> for Entries<T> {
        type Value = Vec<T>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a table of tables")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some((name, mut entry)) = map.next_entry::<String, T>()? {
                entry.set_name(name);
                entries.push(entry);
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_map(Entries(PhantomData))
}
