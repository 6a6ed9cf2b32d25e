//! `gleitzeit optimise`: what could be better, and why.

use serde_json::{Value, json};

use super::client::Client;
use super::table::{Tone, one_line};
use super::{Exit, Failure, Global, Terminal};

/// Arguments of `optimise`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Look at this hub only
    #[arg(long)]
    hub: Option<String>,
    /// Do what is safe to do, instead of only saying it
    #[arg(long)]
    apply: bool,
}

pub(super) async fn run(args: &Args, global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let params = json!({ "hub": args.hub, "apply": args.apply });
    let result = Client::new(global)?.call("manager/optimise", params).await?;
    if terminal.json {
        terminal.value(&result);
        return Ok(Exit::Ok);
    }
    let findings = result["findings"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if findings.is_empty() {
        terminal.line("nothing to do");
    }
    for finding in findings {
        let place = match finding["instance"].as_str() {
            Some(instance) => format!("{}/{instance}", text(&finding["hub"])),
            None => text(&finding["hub"]),
        };
        let head = format!("{}: {place}: {}", text(&finding["kind"]), text(&finding["why"]));
        let head = terminal.paint(&head, Tone::Warning);
        terminal.line(head);
        match finding["done"].as_str() {
            Some(done) => terminal.line(format!("  done: {}", one_line(done))),
            None => {
                let safe = if finding["safe"] == true {
                    " (--apply does it)"
                } else {
                    ""
                };
                terminal.line(format!("  do: {}{safe}", text(&finding["advice"])));
            }
        }
    }
    Ok(Exit::Ok)
}

fn text(value: &Value) -> String {
    one_line(value.as_str().unwrap_or("-"))
}
