//! `gleitzeit status`: every hub and instance, whether a request would be sent there now, and why not.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::instances::at;
use super::table::{Table, Tone, one_line};
use super::{Exit, Failure, Global, Terminal, allocations, warm};

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show it again and again; with a number, every so many seconds
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = seconds
    )]
    watch: Option<Duration>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if !(0.1..=3600.0).contains(&seconds) {
        return Err("between 0.1 and 3600 seconds".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

pub(super) async fn run(args: Args, global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let client = Client::new(global)?;
    let Some(every) = args.watch else {
        let status = client.call("manager/status", json!({})).await?;
        show(&status, terminal);
        return Ok(Exit::Ok);
    };
    loop {
        let status = client.call("manager/status", json!({})).await;
        if terminal.colour {
            // Home, and everything below cleared: one picture that changes.
            terminal.print("\u{1b}[H\u{1b}[2J");
        }
        match status {
            Ok(status) => show(&status, terminal),
            // A host that restarts is what one watches for; a key that is wrong stays wrong.
            Err(failure) if failure.exit == Exit::Unreachable => terminal.note(&failure.message),
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(every).await;
    }
}

fn show(status: &Value, terminal: &mut Terminal) {
    if terminal.json {
        terminal.value(status);
        return;
    }
    let text = |value: &Value| one_line(value.as_str().unwrap_or("-"));
    terminal.line(format!("gleitzeit {}", text(&status["version"])));
    let list = |value: &'static str| status[value].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut rows = Vec::new();
    for hub in list("hubs") {
        let instances = hub["instances"].as_array().into_iter().flatten();
        rows.extend(instances.filter(|instance| !is_warm(instance)).cloned());
    }
    let hubs = hub_table(list("hubs"));
    if !hubs.is_empty() {
        terminal.line("");
        terminal.table(&hubs);
    }
    if !rows.is_empty() {
        terminal.line("");
        terminal.table(&instance_table(&rows, Some(list("hubs"))));
    }
    let warm = warm::table(list("hubs"));
    if !warm.is_empty() {
        terminal.line("");
        terminal.table(&warm);
    }
    let mut providers = Table::new(&["provider", "protocol", "plugin", "hubs"]);
    for provider in list("providers") {
        let hubs: Vec<_> = provider["hubs"]
            .as_array()
            .into_iter()
            .flatten()
            .map(&text)
            .collect();
        let plugin = format!("{} {}", text(&provider["plugin"]), text(&provider["version"]));
        let cells = [
            text(&provider["name"]),
            text(&provider["protocol"]),
            plugin,
            hubs.join(" "),
        ];
        providers.row(Tone::Plain, cells);
    }
    if !providers.is_empty() {
        terminal.line("");
        terminal.table(&providers);
    }
    let allocations = allocations::list_table(list("allocations"));
    if !allocations.is_empty() {
        terminal.line("");
        terminal.table(&allocations);
    }
    let unready: Vec<&str> = list("unready").iter().filter_map(Value::as_str).collect();
    let refused = list("plugins")
        .iter()
        .filter_map(|plugin| plugin["reason"].as_str());
    // A file that somebody waits for is told of with whom; the others stand for themselves.
    let refused = refused.filter(|reason| !unready.iter().any(|unready| unready.contains(reason)));
    for reason in unready.iter().copied().chain(refused) {
        let line = terminal.paint(&one_line(reason), Tone::Bad);
        terminal.line(format!("\n{line}"));
    }
}

/// Those of a warm pool are told of by kind: `gleitzeit instances` lists each.
fn is_warm(instance: &Value) -> bool {
    instance["warm"].is_string()
}

fn hub_table(hubs: &[Value]) -> Table {
    let headings = [
        "hub",
        "plugin",
        "strategy",
        ">routable",
        ">in flight",
        ">queue",
        ">waited p95",
        ">retries",
        ">refused",
    ];
    let mut table = Table::new(&headings);
    for hub in hubs {
        let metrics = &hub["metrics"];
        let instances: Vec<_> = hub["instances"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|instance| !is_warm(instance))
            .collect();
        let routable = instances
            .iter()
            .filter(|instance| instance["routable"] == true)
            .count();
        let refused: u64 = [
            "unknown",
            "none_routable",
            "queue_full",
            "queue_timeout",
            "closed",
        ]
        .iter()
        .filter_map(|why| metrics[format!("refused_{why}")].as_u64())
        .sum();
        let tone = match (routable, instances.len()) {
            (0, 0) => Tone::Faint,
            (0, _) => Tone::Bad,
            (routable, all) if routable < all => Tone::Warning,
            _ => Tone::Plain,
        };
        let plugin = [&hub["plugin"], &hub["version"]].map(|value| value.as_str().unwrap_or_default());
        table.row(
            tone,
            [
                hub["name"].as_str().unwrap_or("-").to_owned(),
                plugin.join(" "),
                hub["strategy"].as_str().unwrap_or("-").to_owned(),
                format!("{routable}/{}", instances.len()),
                number(&metrics["in_flight"]),
                number(&metrics["queue_depth"]),
                milliseconds(&metrics["queue_wait"], "p95_ms"),
                number(&metrics["retries"]),
                refused.to_string(),
            ],
        );
    }
    table
}

/// One line per instance. A hub's queue is shown once, beside its first instance.
pub(super) fn instance_table(instances: &[Value], hubs: Option<&[Value]>) -> Table {
    let mut headings = vec!["hub", "instance", "state", "routable", "breaker", ">in flight"];
    headings.extend(hubs.map(|_| ">queue"));
    headings.extend([">p50", ">p95", ">loaded", ">stored", ">errors", "why"]);
    let mut table = Table::new(&headings);
    let mut last_hub = "";
    for instance in instances {
        let hub = instance["hub"].as_str().unwrap_or("-");
        let state = instance["state"].as_str().unwrap_or("-");
        let breaker = match &instance["breaker"] {
            Value::String(state) => state.as_str(),
            status => status["state"].as_str().unwrap_or("-"),
        };
        let routable = instance["routable"] == true;
        let limit = instance["max_concurrent"]
            .as_u64()
            .map_or("-".to_owned(), |limit| limit.to_string());
        let latency = at(instance, &["metrics", "latency"]);
        let tone = match (routable, state) {
            (true, "healthy") if breaker == "closed" => Tone::Good,
            (true, _) | (false, "draining" | "starting" | "stopping") => Tone::Warning,
            (false, _) => Tone::Bad,
        };
        let mut cells = vec![
            hub.to_owned(),
            instance["id"].as_str().unwrap_or("-").to_owned(),
            state.to_owned(),
            if routable { "yes" } else { "no" }.to_owned(),
            breaker.to_owned(),
            format!("{}/{limit}", number(&instance["in_flight"])),
        ];
        if let Some(hubs) = hubs {
            let metrics = hubs
                .iter()
                .find(|entry| entry["name"] == hub)
                .map(|entry| &entry["metrics"]);
            cells.push(match metrics {
                Some(metrics) if hub != last_hub => number(&metrics["queue_depth"]),
                _ => String::new(),
            });
        }
        cells.extend([
            milliseconds(latency, "p50_ms"),
            milliseconds(latency, "p95_ms"),
            capabilities(instance, "loaded").to_string(),
            capabilities(instance, "stored").to_string(),
            errors(instance).to_string(),
            instance["reason"].as_str().unwrap_or_default().to_owned(),
        ]);
        table.row(tone, cells);
        last_hub = hub;
    }
    table
}

fn number(value: &Value) -> String {
    value.as_u64().unwrap_or_default().to_string()
}

/// How many of an instance's capabilities are at hand in this way.
fn capabilities(instance: &Value, residency: &str) -> usize {
    let all = instance["capabilities"].as_array().into_iter().flatten();
    all.filter(|capability| capability["residency"] == residency)
        .count()
}

/// Requests that the instance failed.
fn errors(instance: &Value) -> u64 {
    let outcomes = at(instance, &["metrics", "outcomes"]);
    let failures = ["connect_failed", "timed_out", "server_error", "stream_broken"];
    failures
        .iter()
        .filter_map(|outcome| outcomes[*outcome].as_u64())
        .sum()
}

/// A percentile as people read it; a dash where nothing was measured.
fn milliseconds(summary: &Value, name: &str) -> String {
    let measured = summary["count"].as_u64().is_none_or(|count| count > 0);
    match summary[name].as_f64().filter(|_| measured) {
        None => "-".to_owned(),
        Some(milliseconds) if milliseconds < 10.0 => format!("{milliseconds:.1}ms"),
        Some(milliseconds) if milliseconds < 10_000.0 => format!("{milliseconds:.0}ms"),
        Some(milliseconds) => format!("{:.0}s", milliseconds / 1e3),
    }
}
