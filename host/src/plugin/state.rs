//! How far a plugin file has come, and the one line that each step writes.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::refusal::Refusal;

/// How far a plugin file has come. Serving, draining and retired are states of its components, which their
/// owner keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A file of the right name in a plugin directory.
    Discovered,
    /// In order as far as that can be told without running it.
    Verified,
    /// Copied to where nobody else can change it.
    Staged,
    /// Opened: its code has run.
    Loaded,
    /// Not taken; the reason stands beside it.
    Rejected,
}

impl State {
    /// Its name, as logs and status have it.
    pub const fn name(self) -> &'static str {
        match self {
            State::Discovered => "discovered",
            State::Verified => "verified",
            State::Staged => "staged",
            State::Loaded => "loaded",
            State::Rejected => "rejected",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Logs that a file has come one step further. Every transition writes the same fields.
pub(super) fn reached(state: State, path: &Path, plugin: &str, version: &str, hash: &str) {
    tracing::debug!(
        target: "gleitzeit::plugin",
        plugin,
        version,
        state = state.name(),
        hash,
        path = %path.display(),
        reason = "",
        "plugin {state}"
    );
}

/// Logs that a file was not taken, and passes the refusal on. The whole story goes to debug level.
pub(super) fn rejected(refusal: Refusal) -> Refusal {
    tracing::warn!(
        target: "gleitzeit::plugin",
        plugin = refusal.plugin.as_deref().unwrap_or(""),
        version = "",
        state = State::Rejected.name(),
        hash = "",
        path = %refusal.path.display(),
        reason = %refusal.reason,
        "plugin rejected: {refusal}"
    );
    if let Some(detail) = &refusal.detail {
        tracing::debug!(
            target: "gleitzeit::plugin",
            plugin = refusal.plugin.as_deref().unwrap_or(""),
            path = %refusal.path.display(),
            "{detail}"
        );
    }
    refusal
}
