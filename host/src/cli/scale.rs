//! `gleitzeit scale`: how many resources a hub keeps.

use serde_json::{Value, json};

use super::client::Client;
use super::{Exit, Failure, Global, Terminal};

/// Arguments of `scale`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The hub
    hub: String,
    /// How many of its `start` entries are kept started
    #[arg(long, value_name = "NUMBER")]
    started: Option<u64>,
    /// How many unused resources of each kind its warm pool keeps ready
    #[arg(long, value_name = "NUMBER")]
    min_idle: Option<u64>,
    /// The most resources of all kinds in its warm pool
    #[arg(long, value_name = "NUMBER")]
    max: Option<u64>,
    /// A further entry, as JSON, for more than the configuration has; may be repeated
    #[arg(long, value_name = "JSON")]
    start: Vec<String>,
}

pub(super) async fn run(args: Args, global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let mut params = json!({ "hub": args.hub });
    let entry = |text: &String| {
        serde_json::from_str(text).map_err(|error| Failure::usage(format!("`{text}` is no JSON: {error}")))
    };
    let start = args.start.iter().map(entry).collect::<Result<Vec<Value>, _>>()?;
    if !start.is_empty() {
        params["start"] = json!(start);
    }
    for (name, value) in [
        ("started", args.started),
        ("min_idle", args.min_idle),
        ("max", args.max),
    ] {
        if let Some(value) = value {
            params[name] = json!(value);
        }
    }
    let scaled = Client::new(global)?.call("manager/scale", params).await?;
    if terminal.json {
        terminal.value(&scaled);
        return Ok(Exit::Ok);
    }
    let started = &scaled["started"];
    if !started.is_null() {
        terminal.line(format!(
            "{}: {} are kept started ({} starting, {} stopping)",
            args.hub, started["started"], started["starting"], started["stopping"]
        ));
    }
    let warm = &scaled["warm"];
    if !warm.is_null() {
        terminal.line(format!(
            "{}: {} of each kind are kept ready, {} of all kinds at most",
            args.hub, warm["min_idle"], warm["max"]
        ));
    }
    Ok(Exit::Ok)
}
