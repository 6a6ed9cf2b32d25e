//! `gleitzeit call`: any method of a running host.

use futures_util::StreamExt;

use super::client::Client;
use super::{Exit, Failure, Global, Terminal, params};

/// Arguments of `call`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The method, such as llm/chat; `gleitzeit methods` lists them
    method: String,
    /// Parameters: one JSON object, or key=value (a value is JSON where it is JSON); `-` reads JSON from standard input
    params: Vec<String>,
    /// Print the result piece by piece as it comes, one JSON value a line
    #[arg(long)]
    stream: bool,
}

pub(super) async fn run(args: Args, global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let params = params::parse(&args.params, None)?;
    let client = Client::new(global)?;
    if !args.stream {
        let result = client.call(&args.method, params).await?;
        terminal.value(&result);
        return Ok(Exit::Ok);
    }
    let mut items = client.open(&args.method, params).await?;
    while let Some(item) = items.next().await {
        terminal.line(item?.to_string());
    }
    Ok(Exit::Ok)
}
