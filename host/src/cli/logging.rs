//! Log lines: to standard error, as text for people or as JSON for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::Failure;

/// Starts logging for this process.
///
/// # Errors
/// The filter is none.
pub(super) fn start(filter: Option<&str>, json: bool) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter.unwrap_or("info")).map_err(|error| {
        Failure::usage(format!("--log: {error}"))
            .hint("write a level (info), or directives: info,gleitzeit::pool=debug")
    })?;
    let colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let started = if json {
        registry.with(layer.json().flatten_event(true)).try_init()
    } else {
        registry.with(layer.with_ansi(colour)).try_init()
    };
    // Where this process logs already, as under a test, that stands.
    let _ = started;
    Ok(())
}
