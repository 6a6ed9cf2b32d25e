//! `gleitzeit check`: says whether the settings are right, and does nothing else.

use serde_json::json;

use super::configured::{self, Configured};
use super::{Exit, Failure, Global, Terminal};

pub(super) fn run(global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let configured = Configured::read(global);
    let settings = configured
        .settings()
        .map_err(|mistakes| configured::failure(&mistakes, terminal.colour))?;
    let file = configured
        .draft
        .file()
        .map(|file| file.display().to_string())
        .unwrap_or_default();
    let refusals = configured.catalogue.refusals();
    if terminal.json {
        terminal.value(&json!({
            "file": file,
            "mistakes": [],
            "hubs": settings.hubs.iter().map(|hub| &hub.name).collect::<Vec<_>>(),
            "providers": settings.providers.iter().map(|provider| &provider.name).collect::<Vec<_>>(),
            "refused": refusals.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }));
        return Ok(Exit::Ok);
    }
    for refusal in &refusals {
        terminal.note(format!("note: {refusal}"));
    }
    terminal.line(format!(
        "{file} is right: {}, {}",
        count(settings.hubs.len(), "hub"),
        count(settings.providers.len(), "provider")
    ));
    Ok(Exit::Ok)
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
