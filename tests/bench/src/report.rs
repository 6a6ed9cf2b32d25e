//! What was found, for people (Markdown) and for programs (JSON).

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::stats::Spread;

/// A table under a heading, and the samples behind it.
#[derive(Debug)]
pub(crate) struct Found {
    /// The key in the JSON.
    pub(crate) key: String,
    /// The heading.
    pub(crate) title: String,
    /// The heads of the columns.
    pub(crate) head: Vec<String>,
    /// The rows.
    pub(crate) rows: Vec<Vec<String>>,
    /// Every sample.
    pub(crate) samples: Value,
}

impl Found {
    /// Without rows yet.
    pub(crate) fn new(key: impl Into<String>, title: impl Into<String>, head: &[&str]) -> Self {
        let head = head.iter().map(|column| (*column).to_owned()).collect();
        Self {
            key: key.into(),
            title: title.into(),
            head,
            rows: Vec::new(),
            samples: Value::Null,
        }
    }

    /// As a Markdown table: the first column to the left, numbers to the right.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n| {} |\n|", self.title, self.head.join(" | "));
        for column in 0..self.head.len() {
            text.push_str(if column == 0 { " --- |" } else { " ---: |" });
        }
        text.push('\n');
        for row in &self.rows {
            // A String never refuses to be written to.
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }
}

/// Everything as one JSON object.
pub(crate) fn json(machine: Value, found: Vec<Found>) -> Value {
    let mut all = Map::new();
    all.insert("machine".to_owned(), machine);
    for found in found {
        all.insert(found.key, found.samples);
    }
    Value::Object(all)
}

/// A median with its spread: `1.02 (0.98-1.10)`.
pub(crate) fn spread(spread: Option<Spread>, decimals: usize) -> String {
    let Some(Spread {
        median,
        least,
        greatest,
    }) = spread
    else {
        return "-".to_owned();
    };
    format!("{median:.decimals$} ({least:.decimals$}-{greatest:.decimals$})")
}

/// A median alone.
pub(crate) fn median(spread: Option<Spread>, decimals: usize) -> String {
    spread.map_or_else(
        || "-".to_owned(),
        |spread| format!("{:.decimals$}", spread.median),
    )
}

/// Bytes as megabytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}
