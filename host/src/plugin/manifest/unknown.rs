//! Keys of a manifest that this host did not understand.
//!
//! Found by comparing what was written with what is left of it once it was read, because the types themselves
//! have to let unknown keys pass for the sake of newer plugins.

use serde_json::Value;

/// The path of the first key that was written and not understood.
pub(super) fn first(written: &Value, understood: &Value) -> Option<String> {
    match (written, understood) {
        (Value::Object(written), Value::Object(understood)) => {
            written.iter().find_map(|(key, value)| match understood.get(key) {
                Some(read) => first(value, read).map(|rest| format!("{key}.{rest}")),
                None => Some(key.clone()),
            })
        }
        (Value::Array(written), Value::Array(understood)) => written
            .iter()
            .zip(understood)
            .enumerate()
            .find_map(|(index, (value, read))| first(value, read).map(|rest| format!("{index}.{rest}"))),
        _ => None,
    }
}
