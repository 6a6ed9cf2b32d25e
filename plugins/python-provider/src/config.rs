//! What an operator may set.

use std::collections::{BTreeMap, BTreeSet};

use plugin_api::contract::workload::Syscalls;
use plugin_api::quantity::{Size, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::level::Level;

/// `config = { ... }` of this provider.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The level of requests that name none.
    pub default_level: Level,
    /// The profile of requests for the level `specialized` that name none.
    pub default_profile: Option<String>,
    /// The level `trusted`. Off unless `enabled = true`: its code has the rights of the host.
    pub trusted: Settings,
    /// The level `restricted`.
    pub restricted: Settings,
    /// The level `sandboxed`.
    pub sandboxed: Settings,
    /// Profiles of the level `specialized`, by name.
    pub profiles: BTreeMap<String, Settings>,
    /// Sessions.
    pub sessions: SessionSettings,
}

/// What a level or a profile is made of. Whatever is absent is the level's own; a request may only tighten it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether it may be used; only `trusted` has to be switched on.
    pub enabled: Option<bool>,
    /// The image, of any kind that has a Python of 3.8 or later in it. Containers only.
    pub image: Option<String>,
    /// The interpreter: a name to be looked for in the box, or a path in it.
    pub python: Option<String>,
    /// Modules that are imported before the first run, so that no run waits for them.
    pub preimport: Option<Vec<String>>,
    /// Memory, scratch included.
    #[schemars(with = "Size")]
    pub memory: Option<Size>,
    /// Processors, 0.5 being half of one.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub cpus: Option<f64>,
    /// Processes and threads at once.
    #[schemars(range(min = 4))]
    pub processes: Option<u32>,
    /// Open files of one process.
    #[schemars(range(min = 32))]
    pub open_files: Option<u64>,
    /// One file.
    #[schemars(with = "Size")]
    pub file: Option<Size>,
    /// All files in `/tmp`, the working directory included.
    #[schemars(with = "Size")]
    pub scratch: Option<Size>,
    /// How many files and directories there may be.
    #[schemars(range(min = 16))]
    pub scratch_files: Option<u64>,
    /// `/dev/shm`.
    #[schemars(with = "Size")]
    pub shared_memory: Option<Size>,
    /// How long a run may take; seconds, or text like "30s".
    #[schemars(with = "Span")]
    pub timeout: Option<Span>,
    /// Processor time of one process; none of its own where absent.
    #[schemars(with = "Span")]
    pub cpu_time: Option<Span>,
    /// What is kept of standard output, and of standard error.
    #[schemars(with = "Size")]
    pub output: Option<Size>,
    /// What becomes of a run that writes more.
    #[schemars(with = "OnOutput")]
    pub on_output: Option<OnOutput>,
    /// The result as JSON.
    #[schemars(with = "Size")]
    pub result: Option<Size>,
    /// Code, arguments, files and standard input of one request; at most 32 MiB.
    #[schemars(with = "Size")]
    pub input: Option<Size>,
    /// How many files a run may give back.
    pub files: Option<u32>,
    /// How large they may be, all together; at most 32 MiB.
    #[schemars(with = "Size")]
    pub files_size: Option<Size>,
    /// How many pictures a run may give back.
    pub images: Option<u32>,
    /// The engine's network that the box is in; none where absent.
    pub network: Option<String>,
    /// Paths of the host that may be read, and where the code finds them.
    pub readable: Option<BTreeMap<String, String>>,
    /// Variables that the code finds.
    pub environment: Option<BTreeMap<String, String>>,
    /// Variables that a request may set.
    pub allow_environment: Option<BTreeSet<String>>,
    /// Graphics processors: `all`, or identifiers.
    pub gpus: Option<Vec<String>>,
    /// The container engine's runtime, such as `runsc`.
    pub runtime: Option<String>,
    /// Which system calls are refused: `standard`, or `strict`, which takes network sockets away as well.
    #[schemars(with = "Filter")]
    pub syscalls: Option<Syscalls>,
    /// How often a box is used, by one caller, before it is thrown away; the hub may say less.
    #[schemars(range(min = 1))]
    pub uses: Option<u32>,
    /// How old a box may grow.
    #[schemars(with = "Span")]
    pub lifetime: Option<Span>,
}

/// The schema of [`Settings::syscalls`], whose third value belongs to `trusted` alone.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
#[allow(dead_code)] // it is a schema
enum Filter {
    Standard,
    Strict,
}

/// What becomes of a run that writes more than is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OnOutput {
    /// It goes on; what is too much is read and forgotten, up to 64 times the limit, and then it is killed.
    #[default]
    Truncate,
    /// It is killed at once.
    Kill,
}

/// How many sessions there may be.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSettings {
    /// In all. Each holds a box.
    #[schemars(range(min = 0))]
    pub max: usize,
    /// Of one caller.
    pub per_caller: usize,
    /// A session nobody uses for so long is closed; a request may only ask for less.
    pub idle_timeout: Span,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            max: 6,
            per_caller: 2,
            idle_timeout: Span::seconds(600),
        }
    }
}
