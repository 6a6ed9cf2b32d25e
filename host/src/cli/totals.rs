//! `gleitzeit totals`: every hub together, and each by itself, in numbers.

use serde_json::{Value, json};

use super::client::Client;
use super::table::{Table, Tone, one_line};
use super::{Exit, Failure, Global, Terminal};

pub(super) async fn run(global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let totals = Client::new(global)?.call("manager/totals", json!({})).await?;
    if terminal.json {
        terminal.value(&totals);
        return Ok(Exit::Ok);
    }
    let headings = [
        "hub",
        "kind",
        ">instances",
        ">routable",
        ">in flight",
        ">allocated",
        ">queue",
        ">requests",
        ">p50",
        ">p95",
        ">p99",
    ];
    let mut table = Table::new(&headings);
    for hub in totals["hubs"]["each"].as_array().into_iter().flatten() {
        let metrics = &hub["metrics"];
        let mut cells = vec![text(&hub["name"]), text(&hub["kind"])];
        cells.extend(
            [
                &hub["instances"],
                &metrics["routable"],
                &metrics["in_flight"],
                &hub["allocated"],
                &metrics["queue_depth"],
            ]
            .map(number),
        );
        cells.extend(latencies(metrics));
        table.row(Tone::Plain, cells);
    }
    let instances = &totals["instances"];
    let mut cells = vec!["all".to_owned(), String::new()];
    cells.extend(
        [
            &instances["total"],
            &instances["routable"],
            &totals["in_flight"],
            &totals["leases"]["allocated"],
            &totals["queue_depth"],
        ]
        .map(number),
    );
    cells.extend(latencies(&totals["requests"]));
    table.row(Tone::Plain, cells);
    terminal.table(&table);
    let allocations = &totals["allocations"];
    let counted = ["active", "total", "failed", "released", "expired", "lost"]
        .map(|name| format!("{} {name}", number(&allocations[name])));
    terminal.line(format!("\nallocations: {}", counted.join(", ")));
    Ok(Exit::Ok)
}

/// Requests that ended, and how long they took. Of the whole these are those of all requests, and no means.
fn latencies(counted: &Value) -> [String; 4] {
    let outcomes = counted["outcomes"].as_object().into_iter().flatten();
    let requests: u64 = outcomes.filter_map(|(_, number)| number.as_u64()).sum();
    let latency = |name: &str| match counted["latency"][name].as_f64() {
        Some(ms) if ms > 0.0 => format!("{ms:.0} ms"),
        _ => "-".to_owned(),
    };
    [
        requests.to_string(),
        latency("p50_ms"),
        latency("p95_ms"),
        latency("p99_ms"),
    ]
}

fn number(value: &Value) -> String {
    value.as_u64().unwrap_or_default().to_string()
}

fn text(value: &Value) -> String {
    one_line(value.as_str().unwrap_or("-"))
}
