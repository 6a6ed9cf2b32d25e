//! `gleitzeit methods`: what a running host offers.

use serde_json::{Value, json};

use super::client::Client;
use super::table::{Table, Tone};
use super::{Exit, Failure, Global, Terminal};
use crate::config::nearest;

/// Arguments of `methods`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show this method's parameters
    method: Option<String>,
}

pub(super) async fn run(args: Args, global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let answer = Client::new(global)?.call("manager/methods", json!({})).await?;
    let methods = match &answer {
        Value::Array(methods) => methods.as_slice(),
        other => other["methods"].as_array().map(Vec::as_slice).unwrap_or_default(),
    };
    match args.method {
        None if terminal.json => terminal.value(&answer),
        None => terminal.table(&list(methods)),
        Some(name) => {
            let method = find(methods, &name)?;
            if terminal.json {
                terminal.value(method);
            } else {
                show(method, terminal);
            }
        }
    }
    Ok(Exit::Ok)
}

fn list(methods: &[Value]) -> Table {
    let mut table = Table::new(&["method", "also", "provider", "streams", "key", "about"]);
    for method in methods {
        table.row(
            Tone::Plain,
            [
                text(method, "name"),
                names(&method["aliases"]).join(" "),
                text(method, "provider"),
                if method["streams"] == true { "yes" } else { "no" }.to_owned(),
                if method["admin"] == true { "admin" } else { "any" }.to_owned(),
                text(method, "description"),
            ],
        );
    }
    table
}

fn find<'a>(methods: &'a [Value], name: &str) -> Result<&'a Value, Failure> {
    let is_called = |method: &&Value| method["name"] == name || names(&method["aliases"]).contains(&name);
    methods.iter().find(is_called).ok_or_else(|| {
        let known: Vec<&str> = methods
            .iter()
            .filter_map(|method| method["name"].as_str())
            .collect();
        let failure = Failure::new(Exit::NotFound, format!("there is no method `{name}`"));
        match nearest::nearest(name, known.iter().copied()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`gleitzeit methods` lists them"),
        }
    })
}

fn show(method: &Value, terminal: &mut Terminal) {
    terminal.line(format!(
        "{}: {}",
        text(method, "name"),
        text(method, "description")
    ));
    let required = names(&method["params"]["required"]);
    let mut table = Table::new(&["parameter", "type", "needed", "about"]);
    for (name, schema) in method["params"]["properties"].as_object().into_iter().flatten() {
        table.row(
            Tone::Plain,
            [
                name.clone(),
                type_of(schema),
                if required.contains(&name.as_str()) {
                    "yes"
                } else {
                    "no"
                }
                .to_owned(),
                text(schema, "description"),
            ],
        );
    }
    if !table.is_empty() {
        terminal.line("");
        terminal.table(&table);
    }
}

fn type_of(schema: &Value) -> String {
    match &schema["type"] {
        Value::String(name) => name.clone(),
        several @ Value::Array(_) => names(several).join("|"),
        _ => match schema["enum"].as_array() {
            Some(options) => options
                .iter()
                .map(|option| option.as_str().unwrap_or("?"))
                .collect::<Vec<_>>()
                .join("|"),
            None => "any".to_owned(),
        },
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn names(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
