//! The part of `gleitzeit status` about warm pools: each kind of resource, and how many of it are ready.

use serde_json::Value;

use super::table::{Table, Tone, one_line};

/// One line per kind of each hub's warm pool.
pub(super) fn table(hubs: &[Value]) -> Table {
    let headings = [
        "warm",
        "kind",
        ">idle",
        ">unused",
        ">busy",
        ">starting",
        ">target",
        ">waiting",
        ">hits",
        ">misses",
        "why",
    ];
    let mut table = Table::new(&headings);
    for hub in hubs {
        let shelves = hub["warm"]["shelves"].as_array();
        for shelf in shelves.into_iter().flatten() {
            let number = |key: &str| shelf[key].as_u64().unwrap_or_default();
            let text = |key: &str| shelf[key].as_str().map(one_line).unwrap_or_default();
            let tone = match () {
                () if shelf["error"].is_string() => Tone::Bad,
                () if number("unused") < number("target") => Tone::Warning,
                () => Tone::Good,
            };
            let kind = format!("{} {}", text("specification"), text("label"));
            let mut cells = vec![
                hub["name"].as_str().unwrap_or("-").to_owned(),
                kind.trim().to_owned(),
            ];
            let columns = [
                "idle", "unused", "busy", "starting", "target", "waiting", "hits", "misses",
            ];
            cells.extend(columns.map(|key| number(key).to_string()));
            cells.push(text("error"));
            table.row(tone, cells);
        }
    }
    table
}
