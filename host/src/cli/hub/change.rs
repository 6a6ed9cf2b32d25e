//! `gleitzeit hub add` and `hub remove`: hubs that come and go while the host runs.

use serde_json::json;

use crate::cli::client::Client;
use crate::cli::{Exit, Failure, Terminal, params};

/// A hub that comes or goes.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Change {
    /// Add a hub to the running host. Nothing is written down: after a restart it is gone
    Add(Add),
    /// Drain a hub and remove it from the running host
    Remove(Remove),
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// Its name
    name: String,
    /// What [hubs.NAME] would have in plugins.toml, as key=value or one JSON object
    settings: Vec<String>,
    /// The plugin's id [default: the hub's name with -hub after it]
    #[arg(long)]
    plugin: Option<String>,
    /// A provider that may use it; may be repeated
    #[arg(long = "provider", value_name = "NAME")]
    providers: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Remove {
    /// Its name
    name: String,
    /// How long to wait for what is in flight, such as 2m [default: 30s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// Remove it although providers use it: they go on without it
    #[arg(long)]
    force: bool,
}

impl Change {
    pub(super) async fn run(self, client: &Client, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let (result, said) = match self {
            Change::Add(add) => {
                let settings = params::parse(&add.settings, None)?;
                let params = json!({
                    "hub": add.name, "plugin": add.plugin, "settings": settings, "providers": add.providers,
                });
                (
                    client.call("manager/add_hub", params).await?,
                    format!("added: {}", add.name),
                )
            }
            Change::Remove(remove) => {
                let mut params = json!({ "hub": remove.name, "force": remove.force });
                if let Some(timeout) = remove.timeout {
                    params["timeout"] = json!(timeout);
                }
                (
                    client.call("manager/remove_hub", params).await?,
                    format!("removed: {}", remove.name),
                )
            }
        };
        if terminal.json {
            terminal.value(&result);
            return Ok(Exit::Ok);
        }
        terminal.line(said);
        if result["cut_short"] == true {
            terminal.note("what was in flight did not end in time, and was cut short");
        }
        Ok(Exit::Ok)
    }
}
