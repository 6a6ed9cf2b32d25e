//! `gleitzeit call`: any method of a running host.

use futures_util::StreamExt;
use serde_json::Value;

use super::client::Client;
use super::{Exit, Failure, Global, Terminal, output, params};

/// Arguments of `call`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The method, such as llm/chat; `gleitzeit methods` lists them
    method: String,
    /// Parameters: one JSON object, or key=value (a value is JSON where it is JSON), key=@FILE for a file's text,
    /// key=%FILE for its bytes in base64; `-` reads JSON from standard input
    params: Vec<String>,
    /// Print the result piece by piece as it comes: what a process says as text, anything else one JSON value a line
    #[arg(long)]
    stream: bool,
}

pub(super) async fn run(args: Args, global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let params = params::parse(&args.params, None)?;
    let client = Client::new(global)?;
    if !args.stream {
        let result = client.call(&args.method, params).await?;
        if terminal.json || !output::outcome(&result, false, terminal) {
            terminal.value(&result);
        }
        return Ok(output::exit_of(&result));
    }
    let mut items = client.open(&args.method, params).await?;
    let mut exit = Exit::Ok;
    while let Some(item) = items.next().await {
        let item = item?;
        exit = output::exit_of(&item);
        if terminal.json || !shown(&item, terminal) {
            terminal.line(item.to_string());
        }
    }
    Ok(exit)
}

/// Shows an item that has to do with running something.
fn shown(item: &Value, terminal: &mut Terminal) -> bool {
    let done = item.get("done") == Some(&Value::Bool(true));
    output::said(item, terminal) || (done && output::outcome(item, true, terminal))
}
