//! The words for what does not fit.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Misfitting};
use jsonschema::paths::Location;
use serde_json::Value;

use super::{Misfit, steps};
use crate::config::diagnostics::Mistake;
use crate::config::mask;
use crate::config::nearest;
use crate::config::tree::{Kind, Node, Step, dotted};
use crate::config::value::format;

/// What is needed to speak about a misfit.
pub(super) struct Words<'a> {
    /// The schema that was checked against.
    pub(super) schema: &'a Value,
    /// The whole tree, for places.
    pub(super) root: &'a Node,
    /// Where in it the checked part stands.
    pub(super) base: &'a [Step],
}

impl Words<'_> {
    /// The path from the root.
    pub(super) fn path(&self, location: &Location) -> Vec<Step> {
        self.base.iter().cloned().chain(steps(location)).collect()
    }

    /// The schema that a keyword belongs to.
    pub(super) fn schema_of(&self, keyword: &Location) -> Option<&Value> {
        let (parent, _) = keyword.as_str().rsplit_once('/')?;
        self.schema.pointer(parent)
    }

    /// The keys that the schema of a keyword knows.
    pub(super) fn sibling_keys(&self, keyword: &Location) -> Vec<&str> {
        self.schema_of(keyword)
            .and_then(|schema| schema.get("properties")?.as_object())
            .map(|properties| properties.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    pub(super) fn unknown_key(&self, table: &[Step], key: &str, known: &[&str]) -> Misfit {
        let mut path = table.to_vec();
        path.push(Step::from(key));
        let place = self
            .root
            .point_at_key(&path)
            .or_else(|| self.root.point_at(table));
        let near = nearest::nearest(key, known.iter().copied());
        let mistake = if mask::sounds_secret(key) && !known.iter().any(|known| mask::sounds_secret(known)) {
            Mistake::new(format!("`{}` would be a secret in clear", dotted(&path)))
                .at(place, "a secret does not belong here")
                .help(secret_way_out(known))
        } else {
            let whose = match table {
                [] => "unknown table or key".to_owned(),
                table => format!("unknown key in `{}`", dotted(table)),
            };
            let mut mistake =
                Mistake::new(format!("{whose}: `{key}`")).at(place, "not a key that is known here");
            mistake.help = near
                .map(|candidate| format!("did you mean `{candidate}`?"))
                .or_else(|| self.elsewhere(key))
                .or_else(|| nearest::suggestion(key, known));
            mistake
        };
        let meant = near.map(|near| [table, &[Step::from(near)]].concat());
        Misfit {
            meant,
            ..Misfit::new(mistake, path)
        }
    }

    /// Where the key would be right.
    fn elsewhere(&self, key: &str) -> Option<String> {
        let mut found = Vec::new();
        find_key(self.schema, key, &mut String::new(), &mut found);
        let [only] = found.as_slice() else { return None };
        Some(format!("`{key}` belongs in `{only}`"))
    }

    pub(super) fn missing_key(&self, table: &[Step], key: &str, keyword: &Location) -> Misfit {
        let schema = self
            .schema_of(keyword)
            .and_then(|schema| schema.get("properties")?.get(key));
        let description = schema.and_then(|schema| schema.get("description")?.as_str());
        let example = schema.and_then(example_of);
        let mistake = Mistake::new(format!("`{}` needs the key `{key}`", name_of(table)))
            .at(self.root.point_at(table), format!("`{key}` is missing"));
        let mistake = match (description, example) {
            (Some(description), Some(example)) => {
                mistake.help(format!("{description} For example {key} = {example}"))
            }
            (Some(description), None) => mistake.help(description),
            (None, Some(example)) => mistake.help(format!("for example {key} = {example}")),
            (None, None) => mistake,
        };
        Misfit {
            missing: Some([table, &[Step::from(key)]].concat()),
            ..Misfit::new(mistake, table.to_vec())
        }
    }

    /// A value of the right place and the wrong kind.
    pub(super) fn misfit(&self, path: &[Step], error: &ValidationError<'_>) -> Mistake {
        let name = name_of(path);
        let schema = self.schema_of(error.schema_path());
        let place = self.root.point_at(path);
        let shown = self.show(path);
        let range =
            |what: String| Mistake::new(format!("`{name}` must {what}")).at(place.clone(), "out of range");
        match error.kind() {
            Misfitting::Type { kind } => self.wrong_type(path, &expected(kind), schema),
            Misfitting::Enum { options } => {
                let options: Vec<&str> = match options.as_ref() {
                    Value::Array(options) => options.iter().filter_map(Value::as_str).collect(),
                    _ => Vec::new(),
                };
                self.not_among(path, &options)
            }
            Misfitting::Constant { expected_value } => {
                Mistake::new(format!("`{name}` must be {expected_value}")).at(place, "something else")
            }
            Misfitting::Minimum { limit } => range(format!("be at least {}", plain(limit))),
            Misfitting::Maximum { limit } => range(format!("be at most {}", plain(limit))),
            Misfitting::ExclusiveMinimum { limit } => range(format!("be more than {}", plain(limit))),
            Misfitting::ExclusiveMaximum { limit } => range(format!("be less than {}", plain(limit))),
            Misfitting::MinLength { limit: 1 } | Misfitting::MinItems { limit: 1 } => {
                Mistake::new(format!("`{name}` must not be empty")).at(place, "empty")
            }
            Misfitting::UniqueItems => {
                Mistake::new(format!("`{name}` has the same entry twice")).at(place, "here")
            }
            Misfitting::Format { format } => match format::named(format) {
                Some(format) => {
                    let text = self.root.at(path).and_then(Node::as_str).unwrap_or_default();
                    let reason = (format.check)(text).err().unwrap_or_default();
                    Mistake::new(format!("`{name}` is not {}: {reason}", format.what))
                        .at(place, format!("not {}", format.what))
                        .help(format!("write it like {}", format.example))
                }
                None => Mistake::new(format!("`{name}` is not a valid {format}")).at(place, "here"),
            },
            Misfitting::Pattern { pattern } => {
                Mistake::new(format!("`{name}` cannot be {shown}: it must match {pattern}"))
                    .at(place, "does not match")
            }
            // The value is left out of the message: it may be a secret.
            _ => Mistake::new(format!("`{name}`: {}", error.masked())).at(place, "here"),
        }
    }

    pub(super) fn wrong_type(&self, path: &[Step], expected: &str, schema: Option<&Value>) -> Mistake {
        let node = self.root.at(path);
        let found = node.map_or("nothing", type_name);
        let format = schema.and_then(|schema| format::named(schema.get("format")?.as_str()?));
        let expected = format.map_or(expected, |format| format.what);
        let mistake = Mistake::new(format!("`{}` must be {expected}, not {found}", name_of(path)))
            .at(self.root.point_at(path), found);
        let text = node.and_then(Node::as_str).filter(|_| !is_secret(path));
        match (schema.and_then(example_of), text, path.last()) {
            (_, Some(text), _) if expected.starts_with("a list") => mistake.help(format!("write [{text:?}]")),
            (Some(example), _, _) => mistake.help(format!("for example {example}")),
            (None, Some(text), Some(Step::Key(key))) if knows(schema, "plugin") => {
                mistake.help(format!("write {key} = {{ plugin = {text:?} }}"))
            }
            _ => mistake,
        }
    }

    /// A name that is none of the known ones.
    pub(super) fn not_among(&self, path: &[Step], options: &[&str]) -> Mistake {
        let shown = self.show(path);
        let key = path.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        });
        let mut mistake = Mistake::new(format!("`{}` cannot be {shown}", name_of(path))).at(
            self.root.point_at(path),
            format!("no {} is called so", key.unwrap_or("value")),
        );
        let known = format!("known are {}", nearest::list(options));
        let near = self
            .root
            .at(path)
            .and_then(Node::as_str)
            .and_then(|text| nearest::nearest(text, options.iter().copied()));
        mistake.help = Some(match near {
            Some(candidate) => format!("did you mean `{candidate}`? {known}"),
            None => known,
        });
        mistake
    }

    /// A value for a message; no value whose key sounds like a secret's.
    fn show(&self, path: &[Step]) -> String {
        match self.root.at(path).map(|node| &node.kind) {
            Some(Kind::Scalar(value)) if !is_secret(path) => match value {
                Value::String(text) => format!("`{text}`"),
                other => other.to_string(),
            },
            Some(Kind::Array(_)) => "this list".to_owned(),
            Some(Kind::Table(_)) => "this table".to_owned(),
            _ => "this".to_owned(),
        }
    }
}

/// Whether a path leads to something that may be a secret.
fn is_secret(path: &[Step]) -> bool {
    path.iter()
        .any(|step| matches!(step, Step::Key(key) if key == "secrets" || mask::sounds_secret(key)))
}

fn knows(schema: Option<&Value>, key: &str) -> bool {
    schema
        .and_then(|schema| schema.get("properties")?.get(key))
        .is_some()
}

/// A limit as people write it: 1, not 1.0.
fn plain(limit: &Value) -> String {
    match limit.as_f64() {
        Some(number) if number.fract() == 0.0 => format!("{number:.0}"),
        _ => limit.to_string(),
    }
}

/// What to write instead of a secret, as far as the table has keys for it.
fn secret_way_out(known: &[&str]) -> String {
    let ways: Vec<_> = known
        .iter()
        .filter(|key| key.ends_with("_file") || key.ends_with("_env"))
        .copied()
        .collect();
    if ways.is_empty() {
        return "put it into a file or a variable and name that in [secrets]".to_owned();
    }
    format!(
        "put it into a file or a variable and write {}",
        nearest::list(&ways)
    )
}

/// A path for a message; the root has no name of its own.
fn name_of(path: &[Step]) -> String {
    match path {
        [] => "plugins.toml".to_owned(),
        path => dotted(path),
    }
}

/// A value's type in TOML's words, with its article.
pub(super) fn type_name(node: &Node) -> &'static str {
    match &node.kind {
        Kind::Table(_) => "a table",
        Kind::Array(_) => "a list",
        Kind::Scalar(Value::String(_)) => "text",
        Kind::Scalar(Value::Bool(_)) => "true or false",
        Kind::Scalar(Value::Number(number)) if number.is_f64() => "a number with a fraction",
        Kind::Scalar(Value::Number(_)) => "a number",
        Kind::Scalar(_) => "nothing",
    }
}

/// The types of a schema in TOML's words.
fn expected(kind: &TypeKind) -> String {
    let word = |name: &str| match name {
        "object" => "a table",
        "array" => "a list",
        "string" => "text in quotes",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "nothing",
    };
    match kind {
        TypeKind::Single(only) => word(&only.to_string()).to_owned(),
        TypeKind::Multiple(several) => {
            let words: Vec<_> = several.iter().map(|one| word(&one.to_string())).collect();
            words.join(" or ")
        }
    }
}

/// A value that would fit a schema, as it is written in the file.
fn example_of(schema: &Value) -> Option<String> {
    if let Some(example) = schema.get("examples").and_then(|examples| examples.get(0)) {
        return Some(example.to_string());
    }
    if let Some(format) = schema
        .get("format")
        .and_then(|format| format::named(format.as_str()?))
    {
        return Some(format.example.to_owned());
    }
    let default = schema.get("default")?;
    let empty = default.as_array().is_some_and(Vec::is_empty) || default.as_str() == Some("");
    (!empty && !default.is_object()).then(|| default.to_string())
}

/// All tables in which a key is known, as dotted paths; names that the operator chooses are left as `NAME`.
fn find_key(schema: &Value, key: &str, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        if properties.contains_key(key) && !path.is_empty() {
            found.push(path.clone());
        }
        for (name, schema) in properties {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
            find_key(schema, key, path, found);
            path.truncate(length);
        }
    }
    if let Some(schema) = schema
        .get("additionalProperties")
        .filter(|schema| schema.is_object())
    {
        path.push_str(".NAME");
        find_key(schema, key, path, found);
        path.truncate(length);
    }
    if let Some(schema) = schema.get("items") {
        path.push_str("[]");
        find_key(schema, key, path, found);
        path.truncate(length);
    }
}
