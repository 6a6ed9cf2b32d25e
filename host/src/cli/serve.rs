//! `gleitzeit serve`: runs the host until a signal ends it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;

use super::configured::{self, Configured};
use super::{Exit, Failure, Global, Terminal, logging};

/// Reads and checks everything, then hands over to [`run`](crate::run). With mistakes in the settings nothing is
/// started.
pub(super) fn run(global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    logging::start(global.log.as_deref(), global.json)?;
    let configured = Configured::read(global);
    let settings = configured
        .settings()
        .map_err(|mistakes| configured::failure(&mistakes, terminal.colour))?;
    let (hubs, providers) = (settings.hubs.len(), settings.providers.len());
    let ready = |address: SocketAddr| {
        if terminal.json {
            terminal.value(&json!({ "listen": address.to_string(), "hubs": hubs, "providers": providers }));
        } else {
            terminal.line(format!(
                "gleitzeit {} serves at http://{address}",
                env!("CARGO_PKG_VERSION")
            ));
        }
        // A host serves all the same if nobody can read that it does.
        if let Err(failure) = terminal.written() {
            tracing::warn!("{failure}");
        }
    };
    crate::run::serve(settings, Arc::new(configured.catalogue), ready)
        .map_err(|error| Failure::of_error(&json!(error)))?;
    Ok(Exit::Ok)
}
