//! Control groups: hard limits on what a box uses, how much it uses, and its end.
//!
//! The three kinds of machine are equally normal: the old hierarchies (one a controller), the unified one, and both at
//! once, where each controller is in one of them. A box's groups lie in a group `gleitzeit` below or beside the host's
//! own, so that the limits of whoever runs the host hold for its boxes too. A name says who made it, so that what a dead host left
//! behind can be told from what a living one uses.

mod find;
mod group;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use find::Parent;
pub use group::{Group, Limits, Usage};

/// Which limits can be enforced by control groups here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Where groups for memory are made; `None` where memory cannot be limited.
    pub memory: Option<PathBuf>,
    /// The same for processes.
    pub processes: Option<PathBuf>,
    /// The same for processors.
    pub processors: Option<PathBuf>,
    /// Whether it is the unified hierarchy.
    pub unified: bool,
    /// Why something cannot be limited.
    pub obstacle: Option<String>,
}

/// What a group limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Controller {
    /// Memory.
    Memory,
    /// Processes and threads.
    Pids,
    /// Processor time.
    Cpu,
    /// Counts processor time, in the old hierarchies only.
    CpuAccounting,
}

impl Controller {
    pub(crate) const ALL: [Controller; 4] = [
        Controller::Memory,
        Controller::Pids,
        Controller::Cpu,
        Controller::CpuAccounting,
    ];

    /// Its name in the old hierarchies and in the unified one.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Pids => "pids",
            Controller::Cpu => "cpu",
            Controller::CpuAccounting => "cpuacct",
        }
    }
}
