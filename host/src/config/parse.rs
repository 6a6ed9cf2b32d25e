//! From TOML text to a tree with places.

use serde_json::{Number, Value};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::diagnostics::Mistake;
use super::source::Place;
use super::tree::{Entry, Kind, Node};

/// Reads a whole document. What can be read is returned even where something else is broken, so that all
/// mistakes show at once.
pub(super) fn document(text: &str, place: &Place) -> (Node, Vec<Mistake>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader::new(place, errors);
    let whole = reader.place(0..text.len());
    let node = reader.table(table.get_ref(), whole);
    (node, reader.mistakes)
}

/// Reads one value, as it stands after a `=`.
pub(super) fn value(text: &str, place: &Place) -> (Node, Vec<Mistake>) {
    let (value, errors) = DeValue::parse_recoverable(text);
    let mut reader = Reader::new(place, errors);
    let node = reader.value(&value);
    (node, reader.mistakes)
}

/// Reads a dotted key, as it stands before a `=`: its parts, each with its place.
pub(super) fn key(text: &str, place: &Place) -> Result<Vec<(String, Place)>, Vec<Mistake>> {
    let line = format!("{text}=0");
    let (table, errors) = DeTable::parse_recoverable(&line);
    let reader = Reader::new(place, errors);
    if !reader.mistakes.is_empty() {
        return Err(reader.mistakes);
    }
    let mut parts = Vec::new();
    let mut table = Some(table.get_ref());
    while let Some((key, value)) = table.and_then(|table| table.iter().next()) {
        parts.push((key.get_ref().to_string(), reader.place(key.span())));
        table = value.get_ref().as_table();
    }
    Ok(parts)
}

struct Reader<'a> {
    whole: &'a Place,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    fn new(whole: &'a Place, errors: Vec<toml::de::Error>) -> Self {
        let mut reader = Self {
            whole,
            mistakes: Vec::new(),
        };
        for error in errors {
            let place = error.span().map(|span| reader.place(span));
            let (message, expected) = match error.message().split_once(", expected ") {
                Some((what, expected)) => (what, format!("expected {expected}")),
                None => (error.message(), "here".to_owned()),
            };
            let (label, help) = way_out(message).unwrap_or((&expected, "see https://toml.io"));
            let mut mistake = Mistake::new(format!("not valid TOML: {message}"))
                .at(place, label)
                .help(help);
            mistake.syntax = true;
            reader.mistakes.push(mistake);
        }
        reader
    }

    fn place(&self, span: std::ops::Range<usize>) -> Place {
        let start = self.whole.span().start;
        self.whole.within(start + span.start..start + span.end)
    }

    fn table(&mut self, table: &DeTable<'_>, place: Place) -> Node {
        let mut entries: Vec<Entry> = table
            .iter()
            .map(|(key, value)| Entry {
                name: key.get_ref().to_string(),
                key: self.place(key.span()),
                node: self.value(value),
            })
            .collect();
        entries.sort_by_key(|entry| entry.key.span().start);
        Node {
            place,
            kind: Kind::Table(entries),
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>) -> Node {
        let place = self.place(value.span());
        let scalar = match value.get_ref() {
            DeValue::Table(table) => return self.table(table, place),
            DeValue::Array(items) => {
                let items = items.iter().map(|item| self.value(item)).collect();
                return Node {
                    place,
                    kind: Kind::Array(items),
                };
            }
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(truth) => Value::Bool(*truth),
            DeValue::Integer(integer) => self.integer(integer, &place),
            DeValue::Float(float) => self.float(float.as_str(), &place),
            DeValue::Datetime(datetime) => {
                self.mistakes.push(
                    Mistake::new("a date is no setting's value")
                        .at(Some(place.clone()), "a date")
                        .help("put it in quotes if it is meant as text"),
                );
                Value::String(datetime.to_string())
            }
        };
        Node {
            place,
            kind: Kind::Scalar(scalar),
        }
    }

    fn integer(&mut self, integer: &DeInteger<'_>, place: &Place) -> Value {
        let digits = integer.as_str().replace('_', "");
        match i64::from_str_radix(&digits, integer.radix()) {
            Ok(number) => number.into(),
            Err(_) => {
                self.mistakes.push(
                    Mistake::new("a number that does not fit into 64 bits")
                        .at(Some(place.clone()), "too large")
                        .help("write a smaller one"),
                );
                0.into()
            }
        }
    }

    /// A float without a fraction becomes an integer: people who write `2.0` where a count belongs mean 2, and
    /// JSON Schema agrees with them.
    fn float(&mut self, text: &str, place: &Place) -> Value {
        let number: f64 = text.replace('_', "").parse().unwrap_or(f64::NAN);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the range is checked in the same condition"
        )]
        if number.fract() == 0.0 && number.abs() < 9e15 {
            return (number as i64).into();
        }
        Number::from_f64(number).map_or_else(
            || {
                self.mistakes.push(
                    Mistake::new("a number must be finite")
                        .at(Some(place.clone()), "not finite")
                        .help("write a number"),
                );
                0.into()
            },
            Value::Number,
        )
    }
}

/// What the caret says and what to do about the parser's commonest complaints.
fn way_out(message: &str) -> Option<(&'static str, &'static str)> {
    const QUOTE: &str = "if it is meant as text, put it in quotes: key = \"value\"";
    let known = [
        ("string values must be quoted", "not a value", QUOTE),
        ("invalid float", "not a number", QUOTE),
        ("invalid integer", "not a number", QUOTE),
        ("duplicate key", "the second time", "keep one of the two"),
        ("key with no value", "no value", "write key = value"),
        (
            "invalid basic string",
            "the text does not end",
            "end it with a quote",
        ),
        (
            "invalid literal string",
            "the text does not end",
            "end it with a quote",
        ),
        ("unclosed", "not closed", "close it"),
        (
            "missing comma",
            "a comma is missing before this",
            "put a comma there, or close the list before it",
        ),
        ("extra `,`", "one too many", "take the comma out"),
        (
            "newlines are unsupported",
            "a new line",
            "write it on one line, or as a [table] of its own",
        ),
    ];
    known
        .into_iter()
        .find(|(part, _, _)| message.contains(part))
        .map(|(_, label, help)| (label, help))
}
