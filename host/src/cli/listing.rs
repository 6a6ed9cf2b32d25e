//! Results that are lists, as tables: whatever a hub's verb answers with, without knowing the verb.

use serde_json::{Map, Value};

use super::table::{Table, Tone};

/// Cells of a row, by column.
type Row = Map<String, Value>;

/// A list of objects as rows. A list of objects within each becomes a row for each of those, with what surrounds it
/// repeated: a table is searched line by line. `None` where the value is no such list.
pub(super) fn rows(value: &Value) -> Option<Vec<Row>> {
    let items = value.as_array()?;
    let objects: Option<Vec<&Row>> = items.iter().map(Value::as_object).collect();
    Some(objects?.into_iter().flat_map(spread).collect())
}

/// The rows as a table: a column for each key that has a value anywhere, in the order in which they come.
pub(super) fn table(rows: &[Row]) -> Table {
    let mut columns: Vec<&String> = Vec::new();
    for (key, value) in rows.iter().flatten() {
        if !cell(key, value).is_empty() && !columns.contains(&key) {
            columns.push(key);
        }
    }
    let is_number = |key: &&String| rows.iter().filter_map(|row| row.get(*key)).all(Value::is_number);
    let headings: Vec<String> = columns
        .iter()
        .map(|key| {
            format!(
                "{}{}",
                if is_number(key) { ">" } else { "" },
                key.replace('_', " ")
            )
        })
        .collect();
    let mut table = Table::new(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    for row in rows {
        let cells = columns
            .iter()
            .map(|key| row.get(*key).map(|value| cell(key, value)));
        table.row(Tone::Plain, cells.map(Option::unwrap_or_default));
    }
    table
}

/// One row for each object in its first list of objects; itself where it has none.
fn spread(object: &Row) -> Vec<Row> {
    let is_list = |value: &Value| {
        value
            .as_array()
            .is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_object))
    };
    let Some((inner, list)) = object.iter().find(|(_, value)| is_list(value)) else {
        return vec![object.clone()];
    };
    let inner_rows = list.as_array().into_iter().flatten().filter_map(Value::as_object);
    inner_rows
        .map(|each| {
            let outer = object.iter().filter(|(key, _)| *key != inner);
            let mut row: Row = outer.map(|(key, value)| (key.clone(), value.clone())).collect();
            for (key, value) in each {
                let key = if row.contains_key(key) {
                    format!("{inner}.{key}")
                } else {
                    key.clone()
                };
                row.insert(key, value.clone());
            }
            row
        })
        .collect()
}

/// A value as a cell. By convention `size`, `size_…` and `…_bytes` count bytes.
fn cell(key: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_u64() {
            Some(bytes) if key == "size" || key.starts_with("size_") || key.ends_with("_bytes") => {
                bytesize::ByteSize::b(bytes).display().si().to_string()
            }
            _ => number.to_string(),
        },
        Value::Array(items) if items.iter().all(|item| !item.is_array() && !item.is_object()) => items
            .iter()
            .map(|item| cell("", item))
            .collect::<Vec<_>>()
            .join(" "),
        Value::Object(fields) if fields.is_empty() => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(value: &Value) -> String {
        table(&rows(value).unwrap()).render(false)
    }

    #[test]
    fn a_list_within_a_list_has_a_line_for_each() {
        let models = json!([
            { "model": "a", "size": 2_000_000_000u64, "features": ["chat", "tools"], "odd": null,
              "places": [{ "instance": "gpu1", "loaded": true }, { "instance": "gpu2", "loaded": false }] },
            { "model": "b", "size": 5, "features": [], "places": [] },
        ]);
        let text = shown(&models);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines[0], ["model", "size", "features", "instance", "loaded"]);
        assert_eq!(lines[1], ["a", "2.0", "GB", "chat", "tools", "gpu1", "yes"]);
        assert_eq!(lines[2], ["a", "2.0", "GB", "chat", "tools", "gpu2", "no"]);
        assert_eq!(lines[3], ["b", "5", "B"]);
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn what_is_called_the_same_within_and_without_is_told_apart() {
        let text = shown(&json!([{ "id": 1, "parts": [{ "id": 2 }] }]));
        assert_eq!(
            text.lines().next().map(str::trim_end),
            Some("id  parts.id"),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_list_of_objects_is_no_table() {
        for value in [json!({}), json!("x"), json!([1]), json!([{}, 1])] {
            assert!(rows(&value).is_none(), "{value}");
        }
    }
}
