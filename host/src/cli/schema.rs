//! `gleitzeit schema`: the JSON Schema of plugins.toml, with the settings of every plugin that is found.

use super::configured::Configured;
use super::{Exit, Failure, Global, Terminal};
use crate::config::schema;

pub(super) fn run(global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let manifests = Configured::read(global).catalogue.manifests();
    terminal.value(&schema::with_plugins(&manifests));
    Ok(Exit::Ok)
}
