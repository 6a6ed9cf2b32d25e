//! What the host in miniature remembers.

use serde_json::Value;
use tracing::Level;

use crate::abi::wire::log::LogRecord;
use crate::contract::outcome::Outcome;
use crate::contract::requirement::Requirement;
use crate::host::{Control, ForwardRequest};

/// Something the host was asked or told.
#[derive(Debug, Clone)]
pub enum Event {
    /// A lease was granted.
    Leased {
        /// Its number.
        lease: u64,
        /// The instance that is held.
        instance: String,
        /// What was asked for.
        requirement: Requirement,
    },
    /// A lease ended.
    Released {
        /// Its number.
        lease: u64,
        /// How it went.
        outcome: Outcome,
    },
    /// A request was forwarded.
    Forwarded(ForwardRequest),
    /// A method was called or opened.
    Called {
        /// Its name.
        method: String,
        /// Its parameters.
        params: Value,
    },
    /// A verb was run.
    Controlled(Control),
    /// An event was published.
    Published {
        /// Its kind.
        kind: String,
        /// Its data.
        data: Value,
    },
    /// Resources were asked to be kept ready.
    Warmed(Requirement),
    /// A resource was reported gone.
    Lost {
        /// Its id.
        instance: String,
        /// What became of it.
        reason: String,
    },
    /// Something was logged over the boundary.
    Logged {
        /// How bad it is.
        level: Level,
        /// Where it came from.
        target: String,
        /// What it says.
        record: LogRecord,
    },
}
