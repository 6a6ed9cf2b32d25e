//! Settings as a tree in which every key and value knows where it was written.

use serde_json::{Map, Value};

use super::source::Place;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where the value stands.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Text, a number or a truth value.
    Scalar(Value),
    /// A list.
    Array(Vec<Node>),
    /// A table, in the order of the text.
    Table(Vec<Entry>),
}

/// One key of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// The key.
    pub name: String,
    /// Where the key stands.
    pub key: Place,
    /// Its value.
    pub node: Node,
}

/// One step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Into a table.
    Key(String),
    /// Into a list.
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Step::Key(key.to_owned())
    }
}

impl From<&String> for Step {
    fn from(key: &String) -> Self {
        Step::Key(key.clone())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Step::Index(index)
    }
}

/// A path from the root, written as the file would: `steps!["hubs", name, "instances", 3]`.
macro_rules! steps {
    ($($step:expr),* $(,)?) => {
        [$($crate::config::tree::Step::from($step)),*]
    };
}
pub(super) use steps;

/// A path as people write it: `hubs.gpus.instances[3]`.
pub(super) fn dotted(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
                if !key.is_empty() && key.chars().all(bare) {
                    text.push_str(key);
                } else {
                    text.push_str(&format!("{key:?}"));
                }
            }
        }
    }
    text
}

impl Node {
    /// A table with nothing in it.
    pub(super) fn empty_table(place: Place) -> Self {
        Node {
            place,
            kind: Kind::Table(Vec::new()),
        }
    }

    /// The entries of a table; none for anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of this name, if this is a table that has it.
    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.name == name)
    }

    /// The text, if this is one.
    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The value at a path.
    pub(super) fn at(&self, path: &[Step]) -> Option<&Node> {
        let (first, rest) = match path.split_first() {
            None => return Some(self),
            Some(split) => split,
        };
        match (&self.kind, first) {
            (Kind::Table(_), Step::Key(key)) => self.entry(key)?.node.at(rest),
            (Kind::Array(items), Step::Index(index)) => items.get(*index)?.at(rest),
            _ => None,
        }
    }

    /// Where to point for a value: at the value itself, but for a table at the key it stands under, because a
    /// table's own text may be spread over the whole file. What is not there is pointed at where it would be: at
    /// the nearest thing around it.
    pub(super) fn point_at(&self, path: &[Step]) -> Option<Place> {
        let Some(node) = self.at(path) else {
            let (_, around) = path.split_last()?;
            return self.point_at(around);
        };
        if matches!(node.kind, Kind::Table(_)) {
            return self.point_at_key(path).or_else(|| Some(node.place.clone()));
        }
        Some(node.place.clone())
    }

    /// Where the last key of a path stands.
    pub(super) fn point_at_key(&self, path: &[Step]) -> Option<Place> {
        let (last, parents) = path.split_last()?;
        let Step::Key(key) = last else { return None };
        Some(self.at(parents)?.entry(key)?.key.clone())
    }

    /// Lays another tree over this one: its values win, tables are merged key by key.
    pub(super) fn overlay(&mut self, over: Node) {
        match (&mut self.kind, over.kind) {
            (Kind::Table(entries), Kind::Table(new)) => {
                for entry in new {
                    match entries.iter_mut().find(|old| old.name == entry.name) {
                        Some(old) => old.node.overlay(entry.node),
                        None => entries.push(entry),
                    }
                }
            }
            (kind, new) => {
                *kind = new;
                self.place = over.place;
            }
        }
    }

    /// Lays another tree under this one: its values fill the gaps.
    pub(super) fn underlay(&mut self, under: &Node) {
        if let (Kind::Table(entries), Kind::Table(defaults)) = (&mut self.kind, &under.kind) {
            for default in defaults {
                match entries.iter_mut().find(|entry| entry.name == default.name) {
                    Some(entry) => entry.node.underlay(&default.node),
                    None => entries.push(default.clone()),
                }
            }
        }
    }

    /// Takes out the value at a path, if it is there.
    pub(super) fn remove(&mut self, path: &[Step]) {
        match (&mut self.kind, path) {
            (Kind::Table(entries), [Step::Key(key)]) => entries.retain(|entry| entry.name != *key),
            (Kind::Array(items), [Step::Index(index)]) if *index < items.len() => {
                items.remove(*index);
            }
            (Kind::Table(entries), [Step::Key(key), rest @ ..]) => {
                if let Some(entry) = entries.iter_mut().find(|entry| entry.name == *key) {
                    entry.node.remove(rest);
                }
            }
            (Kind::Array(items), [Step::Index(index), rest @ ..]) => {
                if let Some(item) = items.get_mut(*index) {
                    item.remove(rest);
                }
            }
            _ => {}
        }
    }

    /// The same as JSON, without places.
    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::Array(items) => items.iter().map(Node::to_json).collect(),
            Kind::Table(entries) => {
                let pairs = entries
                    .iter()
                    .map(|entry| (entry.name.clone(), entry.node.to_json()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// A JSON value as a tree that stands at one place as a whole.
    pub(super) fn from_json(value: &Value, place: &Place) -> Node {
        let kind = match value {
            Value::Array(items) => {
                Kind::Array(items.iter().map(|item| Node::from_json(item, place)).collect())
            }
            Value::Object(map) => Kind::Table(
                map.iter()
                    .map(|(name, value)| Entry {
                        name: name.clone(),
                        key: place.clone(),
                        node: Node::from_json(value, place),
                    })
                    .collect(),
            ),
            scalar => Kind::Scalar(scalar.clone()),
        };
        Node {
            place: place.clone(),
            kind,
        }
    }
}
