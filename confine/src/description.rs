//! What is to be confined, and how.

use std::collections::BTreeSet;
use std::path::PathBuf;

use plugin_api::contract::workload::{Isolation, Network, Syscalls, Workload};
use serde::{Deserialize, Serialize};

use crate::Refusal;

/// Where a confined program finds the directory for its control channel.
pub const CONTROL_DIRECTORY: &str = "/run/gleitzeit";

/// The name of the socket in it.
pub const CONTROL_SOCKET: &str = "control.sock";

/// How many user and group identities a box has where it has several.
pub const IDS_OF_A_BOX: u32 = 65536;

/// The capabilities that a box may keep: those with which a supervisor becomes somebody else and ends what that one left.
///
/// In a user namespace the others look harmless and are not: they open parts of the kernel (mounts, packet filters,
/// tracing) which were made for root alone, and where most ways out of such boxes were found.
pub const CAPABILITIES: [&str; 3] = ["KILL", "SETGID", "SETUID"];

/// Identities from here up to 2^31 are given to nobody: above those of people, services and containers, below where
/// numbers turn negative.
pub const FIRST_FREE_ID: u32 = 0x7000_0000;

/// What the launcher is told on its standard input.
///
/// The workload's limits are all given here: which defaults hold is the hub's affair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confinement {
    /// The workload. Its isolation decides whether there is a box at all.
    pub workload: Workload,
    /// The control groups to join, which hold the limits on memory, processors and processes. Made, and removed, by
    /// whoever starts the launcher.
    #[serde(default)]
    pub groups: Vec<PathBuf>,
    /// Which limits no control group enforces, so that the launcher has to do what it can.
    #[serde(default)]
    pub belts: BTreeSet<Belt>,
    /// For root only: the first of [`IDS_OF_A_BOX`] identities of this machine that nobody uses. Identity 0 of the box
    /// is this one outside, so that nothing in there is ever this machine's root.
    #[serde(default)]
    pub first_id: u32,
    /// Without isolation: the directory for the control channel. In a box it is memory of the box's own.
    #[serde(default)]
    pub control: Option<PathBuf>,
}

/// A limit that is enforced less strictly than by a control group, because the operator allowed that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Belt {
    /// Memory: private memory of each process by `RLIMIT_DATA`, and all of the box by looking often.
    Memory,
    /// Processors: only so many of them may be used, whole ones.
    Processors,
    /// Processes: `RLIMIT_NPROC`, which counts each identity of the box by itself.
    Processes,
}

/// The first capability a workload names that no box may keep.
pub fn surplus_capability(workload: &Workload) -> Option<&str> {
    workload
        .capabilities
        .iter()
        .map(String::as_str)
        .find(|name| !CAPABILITIES.contains(name))
}

impl Confinement {
    /// Whether the workload is one that a launcher can run at all. The hub has looked before; this is the wall.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let workload = &self.workload;
        let refused = |what: &str, why: &str| Err(Refusal::workload(what, why));
        let has_network = match workload.network {
            Network::None => false,
            Network::Named(_) => return refused("network", "processes have no networks by name"),
            Network::Host => true,
        };
        let boxed = match workload.isolation {
            Isolation::System => true,
            Isolation::None => false,
            Isolation::Container => return refused("isolation", "containers are an engine's affair"),
        };
        if boxed && has_network {
            return refused("network", "the machine's own is only for what is not isolated");
        }
        if boxed && workload.syscalls == Syscalls::Unfiltered {
            return refused("syscalls", "unfiltered is only for what is not isolated");
        }
        if workload.command.is_empty() {
            return refused("command", "it is empty");
        }
        if let Some(name) = surplus_capability(workload) {
            let why = format!(
                "`{name}` is none that a box may have; those are {}",
                CAPABILITIES.join(", ")
            );
            return refused("capabilities", &why);
        }
        self.user().map(drop)
    }

    /// The workload's user and group; 0 where it names none.
    pub(crate) fn user(&self) -> Result<(u32, u32), Refusal> {
        let Some(text) = self.workload.user.as_deref() else {
            return Ok((0, 0));
        };
        let (user, group) = text.split_once(':').unwrap_or((text, text));
        let number = |text: &str| text.parse().ok().filter(|id| *id < IDS_OF_A_BOX);
        number(user).zip(number(group)).ok_or_else(|| {
            Refusal::workload(
                format!("user `{text}`"),
                "it is not two numbers below 65536, like 0:0",
            )
        })
    }
}
