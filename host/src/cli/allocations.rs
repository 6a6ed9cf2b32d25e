//! `gleitzeit allocations`, `renew`, `release`: what is allocated, for longer, or no longer.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::table::{Table, Tone, one_line};
use super::{Exit, Failure, Global, Terminal};

/// Arguments of `allocations`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Arguments of `renew`.
#[derive(Debug, clap::Args)]
pub(super) struct Renew {
    /// The allocation's id
    allocation: String,
    /// How long it lasts from now, such as 10m [default: as long as before]
    #[arg(long, value_name = "DURATION")]
    ttl: Option<String>,
}

/// Arguments of `release`.
#[derive(Debug, clap::Args)]
pub(super) struct Release {
    /// The allocation's id
    allocation: String,
    /// Throw away what came from a warm pool instead of using it again
    #[arg(long)]
    discard: bool,
}

pub(super) async fn run(_: Args, global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let allocations = Client::new(global)?
        .call("manager/allocations", json!({}))
        .await?;
    if terminal.json {
        terminal.value(&allocations);
        return Ok(Exit::Ok);
    }
    let list = allocations.as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        terminal.note("nothing is allocated");
        return Ok(Exit::Ok);
    }
    terminal.table(&list_table(list));
    Ok(Exit::Ok)
}

/// Every allocation, a line for each resource.
pub(super) fn list_table(list: &[Value]) -> Table {
    let mut table = Table::new(&["allocation", "of", ">expires in", "hub", "instance", "", ""]);
    for allocation in list {
        for resource in resources(allocation) {
            let mut cells = vec![
                text(&allocation["allocation"]),
                text(&allocation["principal"]),
                left(allocation),
            ];
            let (tone, rest) = cells_of(resource);
            cells.extend(rest);
            table.row(tone, cells);
        }
    }
    table
}

pub(super) async fn renew(args: Renew, global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let mut params = json!({ "allocation": args.allocation });
    if let Some(ttl) = args.ttl {
        params["ttl"] = json!(ttl);
    }
    let allocation = Client::new(global)?.call("manager/renew", params).await?;
    match terminal.json {
        true => terminal.value(&allocation),
        false => terminal.line(one(&allocation)),
    }
    Ok(Exit::Ok)
}

pub(super) async fn release(
    args: Release,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let params = json!({ "allocation": args.allocation, "discard": args.discard });
    let released = Client::new(global)?.call("manager/release", params).await?;
    match terminal.json {
        true => terminal.value(&released),
        false => terminal.line(format!("released: {}", args.allocation)),
    }
    Ok(Exit::Ok)
}

/// An allocation in a line.
pub(super) fn one(allocation: &Value) -> String {
    format!(
        "{} expires in {}",
        text(&allocation["allocation"]),
        left(allocation)
    )
}

/// What an allocation has.
pub(super) fn table_of(allocation: &Value) -> Table {
    let mut table = Table::new(&["hub", "instance", "", ""]);
    for resource in resources(allocation) {
        let (tone, cells) = cells_of(resource);
        table.row(tone, cells);
    }
    table
}

fn resources(allocation: &Value) -> &[Value] {
    allocation["resources"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn cells_of(resource: &Value) -> (Tone, [String; 4]) {
    let how = if resource["exclusive"] == true {
        "exclusive"
    } else {
        "shared"
    };
    let (tone, what) = match resource["lost"].as_str() {
        Some(reason) => (Tone::Bad, format!("lost: {reason}")),
        None => (Tone::Plain, text(&resource["url"])),
    };
    (
        tone,
        [
            text(&resource["hub"]),
            text(&resource["instance"]),
            how.to_owned(),
            what,
        ],
    )
}

fn left(allocation: &Value) -> String {
    let seconds = allocation["expires_in_ms"]
        .as_u64()
        .unwrap_or_default()
        .div_ceil(1000);
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

fn text(value: &Value) -> String {
    one_line(value.as_str().unwrap_or("-"))
}
