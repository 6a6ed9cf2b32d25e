//! `gleitzeit plugin`: plugin files as the host sees them before it runs any of their code.

use std::path::PathBuf;

use plugin_api::manifest::Manifest;
use serde_json::json;

use super::configured::Configured;
use super::table::{Table, Tone};
use super::{Exit, Failure, Global, Terminal};
use crate::plugin::{State, inspect};

/// Arguments of `plugin`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// Print a plugin's manifest without running the file
    Inspect {
        /// The .so file
        file: PathBuf,
    },
    /// List the plugin files in the configured directories, and why one was refused
    List,
}

pub(super) fn run(args: &Args, global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    match args {
        Args::Inspect { file } => show(file, terminal),
        Args::List => {
            list(global, terminal);
            Ok(Exit::Ok)
        }
    }
}

fn show(file: &std::path::Path, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let inspection = inspect(file).map_err(|refusal| Failure::new(Exit::Failed, refusal.to_string()))?;
    if terminal.json {
        terminal.value(&json!(inspection));
        return Ok(Exit::Ok);
    }
    let manifest = &inspection.manifest;
    let mut table = Table::new(&["plugin", &manifest.id]);
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            table.row(Tone::Plain, [name.to_owned(), value.to_owned()]);
        }
    };
    fact("version", &manifest.version);
    fact("about", &manifest.description);
    fact("licence", manifest.license.as_deref().unwrap_or_default());
    fact("file", &inspection.path.display().to_string());
    fact("size", &bytesize::ByteSize(inspection.size).to_string());
    fact("content", &inspection.hash.to_string());
    if let Some(build) = &manifest.build {
        fact("api", &build.api);
        fact(
            "built by",
            &format!("{} for {}, panic = {}", build.rustc, build.target, build.panic),
        );
    }
    for (name, value) in components(manifest) {
        fact(name, &value);
    }
    terminal.table(&table);
    Ok(Exit::Ok)
}

fn components(manifest: &Manifest) -> Vec<(&'static str, String)> {
    let keys = |names: Vec<&String>| {
        names
            .iter()
            .map(|name| name.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut facts = Vec::new();
    if let Some(hub) = &manifest.hub {
        facts.push(("hub of", hub.provides.clone()));
        facts.push(("verbs", keys(hub.verbs.keys().collect())));
    }
    if let Some(provider) = &manifest.provider {
        facts.push(("provider of", provider.protocol.clone()));
        facts.push(("needs", provider.requires.join(" or ")));
        facts.push(("methods", keys(provider.methods.keys().collect())));
        let routes: Vec<_> = provider
            .routes
            .values()
            .map(|route| format!("{} {}", route.methods.join("|"), route.path))
            .collect();
        facts.push(("routes", routes.join(", ")));
    }
    facts
}

fn list(global: &Global, terminal: &mut Terminal) {
    let configured = Configured::read(global);
    let listing = configured.catalogue.listing();
    if terminal.json {
        terminal.value(&json!(listing));
        return;
    }
    if listing.is_empty() {
        let directories: Vec<_> = configured
            .draft
            .plugin_dirs()
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        terminal.note(format!("no plugin files in {}", directories.join(", ")));
        return;
    }
    let mut table = Table::new(&[
        "plugin",
        "version",
        "api",
        "hub of",
        "provider of",
        "state",
        "file",
    ]);
    let mut reasons = Vec::new();
    for plugin in listing {
        let refused = plugin.state == State::Rejected;
        let tone = if refused { Tone::Bad } else { Tone::Plain };
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        table.row(
            tone,
            [
                or_dash(plugin.id),
                or_dash(plugin.version),
                or_dash(plugin.api),
                or_dash(plugin.provides),
                or_dash(plugin.protocol),
                plugin.state.to_string(),
                plugin.path.display().to_string(),
            ],
        );
        reasons.extend(plugin.reason);
    }
    terminal.table(&table);
    for reason in reasons {
        let line = terminal.paint(&reason, Tone::Bad);
        terminal.line(format!("\n{line}"));
    }
}
