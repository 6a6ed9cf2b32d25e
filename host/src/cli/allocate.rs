//! `gleitzeit allocate`: keeps resources for a while, all of them or none.

use serde_json::{Map, Value, json};

use super::allocations::{one, table_of};
use super::client::Client;
use super::params::file;
use super::{Exit, Failure, Global, Terminal};

/// Arguments of `allocate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What is wanted, each resource a word: a kind such as container, or several of hub=NAME, kind=KIND,
    /// instance=ID, capability=NAME, feature=NAME, tag=TAG, strategy=NAME, affinity_key=KEY, specification=@FILE and
    /// exclusive with commas between them; or a JSON object
    #[arg(required = true, value_name = "WANT")]
    wants: Vec<String>,
    /// How long it lasts unless renewed, such as 10m [default: 5m]
    #[arg(long, value_name = "DURATION")]
    ttl: Option<String>,
    /// How long to wait until all of it is free, such as 1m; 0s not to wait [default: 30s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// The class in the queues: low, normal, high, urgent
    #[arg(long)]
    priority: Option<String>,
}

pub(super) async fn run(args: Args, global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let wants = args
        .wants
        .iter()
        .map(|want| read(want))
        .collect::<Result<Vec<_>, _>>()?;
    let mut params = json!({ "resources": wants });
    for (name, value) in [
        ("ttl", args.ttl),
        ("timeout", args.timeout),
        ("priority", args.priority),
    ] {
        if let Some(value) = value {
            params[name] = json!(value);
        }
    }
    let allocation = Client::new(global)?.call("manager/allocate", params).await?;
    if terminal.json {
        terminal.value(&allocation);
        return Ok(Exit::Ok);
    }
    terminal.line(one(&allocation));
    terminal.table(&table_of(&allocation));
    Ok(Exit::Ok)
}

/// One resource, as a person writes it.
pub(super) fn read(want: &str) -> Result<Value, Failure> {
    if want.starts_with('{') {
        return serde_json::from_str(want)
            .map_err(|error| Failure::usage(format!("`{want}` is no JSON object: {error}")));
    }
    let mut wanted = Map::new();
    for word in want.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word.split_once('=') {
            Some(("tag", tag)) => push(&mut wanted, "tags", tag),
            Some(("feature", feature)) => push(&mut wanted, "features", feature),
            Some(("specification", text)) => {
                wanted.insert("specification".to_owned(), specification(text)?);
            }
            Some((key, value)) => {
                wanted.insert(key.to_owned(), json!(value));
            }
            None if word == "exclusive" => {
                wanted.insert("exclusive".to_owned(), json!(true));
            }
            None if !wanted.contains_key("kind") => {
                wanted.insert("kind".to_owned(), json!(word));
            }
            None => return Err(Failure::usage(format!("`{word}` is nothing that can be wanted"))),
        }
    }
    Ok(Value::Object(wanted))
}

/// JSON, or `@FILE` that holds it.
fn specification(text: &str) -> Result<Value, Failure> {
    let json = match file::named(text)?.map(file::Named::value) {
        Some(Value::String(content)) => content,
        _ => text.to_owned(),
    };
    serde_json::from_str(&json).map_err(|error| {
        Failure::usage(format!("the specification is no JSON: {error}"))
            .hint("write specification=@FILE, or the whole of what is wanted as JSON")
    })
}

fn push(wanted: &mut Map<String, Value>, key: &str, value: &str) {
    let list = wanted.entry(key).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.push(json!(value));
    }
}
