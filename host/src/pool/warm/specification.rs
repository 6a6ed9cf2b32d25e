//! Specifications: what resources on one shelf have in common, compared whole.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::{FixedState, FoldHasher};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What [`Hub::start`](plugin_api::Hub::start) is given, once for all requests that ask for the same.
#[derive(Debug)]
pub(in crate::pool) struct Specification {
    pub(super) value: Value,
    pub(super) hash: u64,
    /// Enough of a hash of it for people to tell two apart; the same in every run.
    pub(super) name: String,
    /// What a person would call it, where it says so itself. The rest may hold secrets and is shown nowhere.
    pub(super) label: Option<String>,
    /// How many requests wait in the queue for one.
    waiting: AtomicUsize,
    /// Requests that found one ready, and that had to wait for one.
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
}

impl Specification {
    /// `hash` is [`hash`]'s of the value.
    pub(super) fn new(value: &Value, hash: u64) -> Self {
        let label = ["name", "image"]
            .iter()
            .find_map(|key| value.get(key).and_then(Value::as_str));
        Self {
            value: value.clone(),
            hash,
            name: name(value),
            label: label.map(str::to_owned),
            waiting: AtomicUsize::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Its name.
    pub(in crate::pool) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(super) fn joined(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn left(&self) {
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Equal for equal values, in whatever order their keys stand. Not for keeping: an equal hash is only a reason to
/// compare.
pub(super) fn hash(value: &Value) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    feed(value, &mut hasher);
    hasher.finish()
}

fn feed(value: &Value, hasher: &mut FoldHasher<'_>) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        Value::Null => {}
        Value::Bool(flag) => flag.hash(hasher),
        Value::Number(number) => number.hash(hasher),
        Value::String(text) => text.hash(hasher),
        Value::Array(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| feed(item, hasher));
        }
        // A sum does not mind the order.
        Value::Object(entries) => {
            entries.len().hash(hasher);
            let sum = entries.iter().fold(0_u64, |sum, (key, value)| {
                let mut hasher = FixedState::default().build_hasher();
                key.hash(&mut hasher);
                feed(value, &mut hasher);
                sum.wrapping_add(hasher.finish())
            });
            sum.hash(hasher);
        }
    }
}

fn name(value: &Value) -> String {
    let mut text = String::new();
    write_sorted(value, &mut text);
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// As JSON, with the keys in order.
fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_sorted(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (key, value) in entries {
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write_sorted(value, text);
                text.push(',');
            }
            text.push('}');
        }
        leaf => text.push_str(&leaf.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::{Specification, hash};

    fn turned(value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(turned).collect(),
            Value::Object(entries) => {
                let turned = entries
                    .iter()
                    .rev()
                    .map(|(key, value)| (key.clone(), turned(value)));
                Value::Object(turned.collect::<Map<_, _>>())
            }
            leaf => leaf.clone(),
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-c]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-c]{0,2}", inner, 0..4)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_order_of_keys_does_not_matter(value in any_value()) {
            let turned = turned(&value);
            prop_assert_eq!(&value, &turned);
            prop_assert_eq!(hash(&value), hash(&turned));
            let (one, other) = (Specification::new(&value, 0), Specification::new(&turned, 0));
            prop_assert_eq!(one.name, other.name);
        }

        #[test]
        fn different_values_hash_differently(one in any_value(), other in any_value()) {
            prop_assert_eq!(one == other, hash(&one) == hash(&other));
        }
    }

    #[test]
    fn what_looks_alike_is_told_apart() {
        let different = [
            json!({ "a": 1, "b": 2 }),
            json!({ "a": 2, "b": 1 }),
            json!({ "a": "1", "b": 2 }),
            json!({ "a": 1, "b": 2, "c": null }),
            json!({ "a": { "b": 1 } }),
            json!({ "a": [1, 2] }),
            json!({ "a": [2, 1] }),
            json!({ "a": [[1], 2] }),
            json!({ "a": true }),
            json!({ "a": 1 }),
            json!({ "a": 1.5 }),
            json!({}),
            json!([]),
            json!(null),
        ];
        for (index, one) in different.iter().enumerate() {
            for other in &different[index + 1..] {
                assert_ne!(hash(one), hash(other), "{one} and {other}");
                assert_ne!(Specification::new(one, 0).name, Specification::new(other, 0).name);
            }
        }
    }

    #[test]
    fn a_kind_is_called_by_its_image_and_shows_nothing_else() {
        let specification = Specification::new(&json!({ "image": "i", "environment": { "K": "secret" } }), 0);
        assert_eq!(specification.label.as_deref(), Some("i"));
        assert_eq!(specification.name.len(), 12);
    }
}
