//! What ends a host, and what it does meanwhile.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::dispatch::upstream::Upstream;

/// Cancelled by SIGINT or SIGTERM; a second one ends the process at once, for when somebody means it.
///
/// # Errors
/// The system lets us not listen for signals.
pub fn signals() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = stop.clone();
    tokio::spawn(async move {
        let mut wait = async || {
            tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            }
        };
        let name = wait().await;
        tracing::info!(signal = name, "stopping; once more to stop at once");
        token.cancel();
        wait().await;
        tracing::warn!("stopping at once");
        std::process::exit(130);
    });
    Ok(stop)
}

/// Closes connections that rest for too long, for as long as it is polled.
pub(super) async fn sweep(upstream: Upstream) {
    let mut every = tokio::time::interval(Duration::from_secs(10));
    loop {
        every.tick().await;
        upstream.sweep();
    }
}
