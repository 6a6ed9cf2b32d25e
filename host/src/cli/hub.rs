//! `gleitzeit hub`: a hub's own verbs, on as many instances as they are about; and hubs that come and go.

mod change;

use std::collections::BTreeMap;

use futures_util::StreamExt;
use serde_json::{Map, Value, json};

use super::client::Client;
use super::listing;
use super::progress::Bars;
use super::table::{Table, Tone};
use super::{Exit, Failure, Global, Terminal, output, params};
use crate::config::nearest;
use change::Change;

/// Arguments of `hub`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    change: Option<Change>,
    /// The hub's name in plugins.toml
    #[arg(required = true)]
    hub: Option<String>,
    /// The verb; without one, the hub's verbs are listed
    verb: Option<String>,
    /// The verb's arguments: the one that stands first needs no name, the others are key=value, key=@FILE for a file's
    /// text, key=%FILE for its bytes in base64
    arguments: Vec<String>,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// Which instances: without a word, those the verb is about by itself.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct SelectionArgs {
    /// On this instance; may be repeated
    #[arg(long = "instance", value_name = "ID")]
    instances: Vec<String>,
    /// On every instance that carries this tag
    #[arg(long)]
    tag: Option<String>,
    /// On so many instances, chosen by the balancer
    #[arg(long)]
    count: Option<u32>,
    /// On every instance
    #[arg(long)]
    all: bool,
}

impl SelectionArgs {
    fn to_json(&self) -> Value {
        match self {
            Self { tag: Some(tag), .. } => json!({ "tag": tag }),
            Self {
                count: Some(count), ..
            } => json!({ "count": count }),
            Self { all: true, .. } => json!("all"),
            Self { instances, .. } if !instances.is_empty() => json!({ "instances": instances }),
            _ => Value::Null,
        }
    }
}

pub(super) async fn run(args: Args, global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let client = Client::new(global)?;
    if let Some(change) = args.change {
        return change.run(&client, terminal).await;
    }
    let hub = args.hub.unwrap_or_default();
    let methods = client.call("manager/methods", json!({})).await?;
    let verbs = verbs_of(&methods, &hub)?;
    let Some(verb) = &args.verb else {
        list(verbs, terminal);
        return Ok(Exit::Ok);
    };
    let Some(about) = verbs.get(verb) else {
        let known: Vec<&str> = verbs
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let failure = Failure::usage(format!("the hub `{hub}` has no verb `{verb}`"));
        return Err(match nearest::suggestion(verb, &known) {
            Some(suggestion) => failure.hint(suggestion),
            None => failure,
        });
    };
    let arguments = params::parse(&args.arguments, about["positional"].as_str())?;
    let control = json!({
        "hub": hub,
        "verb": verb,
        "arguments": arguments,
        "selection": args.selection.to_json(),
    });
    let mut items = client.open("manager/control", control).await?;
    let bars = Bars::new(terminal.interactive && !terminal.json);
    let mut results = Value::Null;
    while let Some(item) = items.next().await {
        let item = item?;
        match item.get("results") {
            Some(last) => results = last.clone(),
            None if terminal.json => terminal.value(&item),
            None if bars.aside(|| output::said(&item["progress"], terminal)) => {}
            None => bars.update(item["instance"].as_str().unwrap_or_default(), &item["progress"]),
        }
    }
    bars.clear();
    Ok(show(&results, terminal))
}

/// The verbs of a hub, by name.
fn verbs_of<'a>(methods: &'a Value, hub: &str) -> Result<&'a Value, Failure> {
    let hubs = &methods["verbs"];
    hubs.get(hub).ok_or_else(|| {
        let known: Vec<&str> = hubs
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let failure = Failure::new(Exit::NotFound, format!("there is no hub `{hub}`"));
        match nearest::suggestion(hub, &known) {
            Some(suggestion) => failure.hint(suggestion),
            None => failure.hint("`gleitzeit status` lists them"),
        }
    })
}

fn list(verbs: &Value, terminal: &mut Terminal) {
    if terminal.json {
        terminal.value(verbs);
        return;
    }
    let mut table = Table::new(&["verb", "arguments", "key", "about"]);
    for (name, verb) in verbs.as_object().into_iter().flatten() {
        let positional = verb["positional"].as_str();
        let arguments = verb["arguments"]["properties"].as_object().into_iter().flatten();
        let mut arguments: Vec<_> = arguments
            .map(|(argument, _)| match positional {
                Some(first) if first == argument => argument.to_uppercase(),
                _ => format!("{argument}=…"),
            })
            .collect();
        // The one without a name is typed first.
        arguments.sort_by_key(|argument| argument.ends_with('…'));
        let key = if verb["read_only"] == true { "any" } else { "admin" };
        let about = verb["description"].as_str().unwrap_or_default().to_owned();
        table.row(
            Tone::Plain,
            [name.clone(), arguments.join(" "), key.to_owned(), about],
        );
    }
    terminal.table(&table);
}

/// Shows what came of it, and says how it went: one failure is enough for the whole to have failed.
fn show(results: &Value, terminal: &mut Terminal) -> Exit {
    let mut exit = Exit::Ok;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let sorted: BTreeMap<_, _> = results.as_object().into_iter().flatten().collect();
    for (instance, result) in sorted {
        let value = &result["ok"];
        let Some(error) = result.get("error") else {
            if output::exit_of(value) == Exit::Ok {
                done.push((instance, value));
            } else {
                exit = Exit::Failed;
                failed.push([instance.clone(), "failed".to_owned(), brief(value)]);
            }
            continue;
        };
        let failure = Failure::of_error(error);
        exit = if exit == Exit::Ok || exit == failure.exit {
            failure.exit
        } else {
            Exit::Failed
        };
        let hint = failure.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        failed.push([instance.clone(), "failed".to_owned(), failure.message + &hint]);
    }
    if terminal.json {
        terminal.value(&json!({ "results": results }));
        return exit;
    }
    let mut table = Table::new(&["instance", "result", ""]);
    if let Some(rows) = listed(&done) {
        terminal.table(&listing::table(&rows));
    } else if let Some(only) = only_large(results) {
        // It says itself how it ended.
        failed.clear();
        if !output::outcome(only, false, terminal) {
            terminal.value(only);
        }
    } else {
        for (instance, value) in done {
            table.row(Tone::Good, [instance.clone(), "done".to_owned(), brief(value)]);
        }
    }
    for cells in failed {
        table.row(Tone::Bad, cells);
    }
    if !table.is_empty() {
        terminal.table(&table);
    }
    exit
}

/// The rows of all results together, where each is a list; of several, each row says whose it is.
fn listed(done: &[(&String, &Value)]) -> Option<Vec<Map<String, Value>>> {
    let mut all = Vec::new();
    for (instance, value) in done {
        for row in listing::rows(value)? {
            let whose = (done.len() > 1).then(|| ("instance".to_owned(), json!(instance)));
            all.extend([whose.into_iter().chain(row).collect::<Map<_, _>>()]);
        }
    }
    (!all.is_empty()).then_some(all)
}

/// The one result, where it is more than a line can hold.
fn only_large(results: &Value) -> Option<&Value> {
    let results = results.as_object()?;
    let (_, only) = results.iter().next().filter(|_| results.len() == 1)?;
    let says = |value: &Value| value.get("stdout").is_some() || value.get("stderr").is_some();
    only.get("ok")
        .filter(|value| says(value) || value.to_string().len() > 100)
}

fn brief(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "nothing".to_owned(),
        Value::Object(map) => match map.get("status").and_then(Value::as_str) {
            Some(status) => status.to_owned(),
            None => value.to_string(),
        },
        other => other.to_string(),
    }
}
