//! `gleitzeit instances`: lists them, takes one out of service, or puts it back.

use serde_json::{Value, json};

use super::client::Client;
use super::{Exit, Failure, Global, Terminal, status};
use crate::config::nearest;

/// Arguments of `instances`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// List every instance (what happens without a command)
    List,
    /// Send it no new requests; those in flight are finished
    Drain(Target),
    /// Send it requests again
    Resume(Target),
}

#[derive(Debug, Clone, clap::Args)]
struct Target {
    /// The instance's id, or HUB/ID where several hubs have one of that id
    id: String,
}

pub(super) async fn run(args: Args, global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let client = Client::new(global)?;
    let (method, target, said) = match args.action {
        None | Some(Action::List) => {
            let instances = client.call("manager/instances", json!({})).await?;
            if terminal.json {
                terminal.value(&instances);
            } else {
                let rows = instances.as_array().map(Vec::as_slice).unwrap_or_default();
                if rows.is_empty() {
                    terminal.note("there are no instances: `gleitzeit status` shows the hubs");
                } else {
                    terminal.table(&status::instance_table(rows, None));
                }
            }
            return Ok(Exit::Ok);
        }
        Some(Action::Drain(target)) => ("manager/drain", target, "draining: no new requests are sent to"),
        Some(Action::Resume(target)) => ("manager/resume", target, "in service again:"),
    };
    let (hub, instance) = resolve(&client, &target.id).await?;
    let result = client
        .call(method, json!({ "hub": hub, "instance": instance }))
        .await?;
    if terminal.json {
        terminal.value(&result);
    } else {
        terminal.line(format!("{said} {hub}/{instance}"));
    }
    Ok(Exit::Ok)
}

/// The hub and the id of an instance. An id may hold slashes itself, so the instances that there are decide.
async fn resolve(client: &Client, wanted: &str) -> Result<(String, String), Failure> {
    let instances = client.call("manager/instances", json!({})).await?;
    let known: Vec<(&str, &str)> = instances
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|instance| Some((instance["hub"].as_str()?, instance["id"].as_str()?)))
        .collect();
    let matches: Vec<_> = known
        .iter()
        .filter(|(hub, id)| {
            *id == wanted || wanted.strip_prefix(hub).and_then(|rest| rest.strip_prefix('/')) == Some(id)
        })
        .collect();
    match matches.as_slice() {
        [(hub, id)] => Ok(((*hub).to_owned(), (*id).to_owned())),
        [] => {
            let failure = Failure::new(Exit::NotFound, format!("there is no instance `{wanted}`"));
            Err(match nearest::nearest(wanted, known.iter().map(|(_, id)| *id)) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("`gleitzeit instances` lists them"),
            })
        }
        several => {
            let names: Vec<_> = several.iter().map(|(hub, id)| format!("{hub}/{id}")).collect();
            Err(Failure::usage(format!("`{wanted}` may be {}", names.join(" or "))).hint("write HUB/ID"))
        }
    }
}

/// The value at a path of keys, for answers that may lack any of them.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, key| &value[*key])
}
