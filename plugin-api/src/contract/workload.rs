//! Workloads: a process in a box, told so that a hub of containers and a hub of processes can both start it.
//!
//! A provider that wants code run describes the box, leases it by
//! [`Requirement::specification`](super::requirement::Requirement::specification), and speaks its own protocol with the process
//! over the [control channel](Workload#the-control-channel). The hub knows nothing of that protocol, the provider
//! nothing of the engine.
//!
//! A hub honours every field or refuses the workload: it never starts one in a weaker box than was asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

mod readable;
pub use readable::may_be_readable;

/// The variable that tells the process where its control channel is.
pub const CONTROL_VARIABLE: &str = "GLEITZEIT_CONTROL";

/// The value of [`CONTROL_VARIABLE`] where standard input and output are the channel.
pub const CONTROL_STDIO: &str = "stdio";

/// The least share of a processor that a workload can be held to: kernels keep no smaller quota than a millisecond in a
/// hundred.
pub const LEAST_CPUS: f64 = 0.01;

/// The words in which a hub says that a workload ended for want of memory, somewhere in the reason that it gives
/// [`Host::lost`](crate::Host::lost). A provider looks for them, because to its user that is no fault of the box.
pub const OUT_OF_MEMORY: &str = "out of memory";

/// A process in a box: what [`Hub::start`](crate::hub::Hub::start) of a sandboxing hub takes.
///
/// # The control channel
///
/// The started process finds in [`CONTROL_VARIABLE`] the absolute path of a unix socket that it shall listen at, or
/// [`CONTROL_STDIO`]: then its standard input and output are the one connection there will be. It begins to listen, or
/// writes its first byte, when it is ready to work; that is when the hub's `start` returns. Either way the instance's
/// endpoint is `unix:PATH` of a socket on this machine that the provider connects to, and no more than one connection
/// is open at a time.
///
/// Its standard input ends when the host does, however that came about: the process must end then too.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Workload {
    /// The image, by name, digest or id; `None` where processes of this machine are started, or for the hub's default.
    pub image: Option<String>,
    /// The program and its arguments. It runs as process 1 of its box.
    pub command: Vec<String>,
    /// Its whole environment, apart from [`CONTROL_VARIABLE`].
    pub environment: BTreeMap<String, String>,
    /// Where it starts; `/` where absent.
    pub working_directory: Option<String>,
    /// Numeric user and group, `"0:0"`. A process that is to give rights away itself starts as 0 with
    /// [`capabilities`](Self::capabilities).
    pub user: Option<String>,
    /// What it may use up.
    pub limits: Limits,
    /// What it may reach. Nothing, unless said.
    pub network: Network,
    /// Linux capabilities it keeps, without `CAP_`: `SETUID`. All others are dropped, for good.
    pub capabilities: BTreeSet<String>,
    /// Which system calls it is refused.
    pub syscalls: Syscalls,
    /// Directories it may write, each in memory. Everything else is read-only.
    pub scratch: Vec<Scratch>,
    /// Paths of this machine it may read, and where it finds them. Only what an operator has put into a profile;
    /// never what a request says.
    pub readable: BTreeMap<String, String>,
    /// How strong the box has to be.
    pub isolation: Isolation,
    /// The container engine's runtime, `runsc` say; `None` takes the engine's default. Refused where absent.
    pub runtime: Option<String>,
    /// Graphics processors: `all`, or identifiers. Refused where there are none.
    pub gpus: Vec<String>,
    /// It is ended after so many seconds, whatever it does.
    pub lifetime_seconds: Option<u64>,
    /// Labels for whoever looks at the engine; the hub adds its own.
    pub labels: BTreeMap<String, String>,
}

/// How strong a box has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// None: a plain process with the rights of the host. Refused unless the operator allows it in the hub's config.
    None,
    /// The operating system's own means: namespaces, system call filters, limits.
    System,
    /// A container of an engine.
    #[default]
    Container,
}

/// What a workload may use up. `None` is the hub's default, never "without limit".
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Memory in bytes, scratch directories included; swap is never given.
    pub memory_bytes: Option<u64>,
    /// Processors, `0.5` being half of one. Refused below [`LEAST_CPUS`].
    pub cpus: Option<f64>,
    /// Processes and threads at once.
    pub processes: Option<u32>,
    /// Open files of one process.
    pub open_files: Option<u64>,
    /// Bytes of one file.
    pub file_bytes: Option<u64>,
    /// Bytes of `/dev/shm`.
    pub shared_memory_bytes: Option<u64>,
}

/// What a workload may reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing but its own loopback.
    #[default]
    None,
    /// The engine's network of this name. Only what an operator has put into a profile.
    Named(String),
    /// The network of the host itself: only with [`Isolation::None`].
    Host,
}

/// Which system calls a workload is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Syscalls {
    /// None: only with [`Isolation::None`].
    Unfiltered,
    /// What no ordinary program needs: the engine's own list and more (`io_uring`, `ptrace`, `keyctl`, `bpf`, odd socket
    /// families), and memory that is no process's (`memfd_create`, `shmget`): filled, it has the kernel end another in
    /// the place of whoever filled it.
    #[default]
    Standard,
    /// And what an interpreter can do without: `execveat`, network sockets.
    Strict,
}

/// A directory in memory that a workload may write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scratch {
    /// Where it is, absolute.
    pub path: String,
    /// How many bytes it holds. They count as memory too.
    pub bytes: u64,
    /// How many files it holds.
    pub files: u64,
    /// Permissions, such as `0o1777`.
    pub mode: u32,
}
