//! What the launcher tells on its standard output, one JSON value a line.

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// Something that happened to the box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Everything stands; the launcher becomes the program now.
    Started {
        /// The process, as this machine numbers it.
        pid: u32,
        /// How many user identities there are in the box: with one, code and its supervisor are the same user.
        ids: u32,
    },
    /// The program listens at its control channel.
    Ready {
        /// A path on this machine that leads to its socket for as long as the box lives.
        socket: String,
    },
    /// It was not started. The last event.
    Refused(Refusal),
    /// It is over, and no process of it is left. The last event.
    Ended(End),
}

/// How a box ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The program ended by itself, with this code.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
    /// Its lifetime was over.
    Lifetime,
    /// It used more memory than it may, where no control group watches over that.
    Memory,
    /// It was stopped: standard input ended.
    Stopped,
}

impl std::fmt::Display for End {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Exited(code) => write!(formatter, "exit code {code}"),
            End::Killed(signal) => write!(formatter, "ended by signal {signal}"),
            End::Lifetime => formatter.write_str("its lifetime is over"),
            End::Memory => formatter.write_str("it used more memory than it may"),
            End::Stopped => formatter.write_str("stopped"),
        }
    }
}
