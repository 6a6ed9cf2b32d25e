//! The settings, as the manifest's schemas describe them.

use std::borrow::Cow;
use std::path::PathBuf;

use plugin_api::quantity::{Size, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// `config` of the hub.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The program that locks processes down, called as `PROGRAM confine`; the host's own binary where absent.
    pub launcher: Option<PathBuf>,
    /// Run workloads that ask for no isolation: as the host's own user, with all it may do.
    pub allow_unconfined: bool,
    /// Where no control group can limit memory: refuse, or limit each process and look often.
    pub memory: Enforcement,
    /// Where no control group can limit processor time: refuse, or give so many whole processors.
    pub processors: Enforcement,
    /// A group of the unified hierarchy that was delegated to the host; where absent, one beside the host's own.
    pub control_group: Option<PathBuf>,
    /// Where control channels of unconfined processes are; the user's runtime directory where absent.
    pub directory: Option<PathBuf>,
    /// How long a process may take until it listens.
    pub start_timeout: Span,
    /// What a workload that does not say gets.
    pub limits: LimitsConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            launcher: None,
            allow_unconfined: false,
            memory: Enforcement::default(),
            processors: Enforcement::default(),
            control_group: None,
            directory: None,
            start_timeout: Span::seconds(30),
            limits: LimitsConfig::default(),
        }
    }
}

/// What to do where a limit cannot be enforced by a control group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// Refuse the workload.
    #[default]
    Enforced,
    /// Do what can be done without.
    BestEffort,
}

impl JsonSchema for Enforcement {
    fn schema_name() -> Cow<'static, str> {
        "Enforcement".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": ["enforced", "best_effort"] })
    }
}

/// What a workload that does not say gets.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct LimitsConfig {
    /// Memory, with what its directories hold.
    pub memory: Size,
    /// Processors; 0.5 is half of one.
    #[schemars(range(min = 0.01))]
    pub cpus: f64,
    /// Processes and threads at once.
    #[schemars(range(min = 1))]
    pub processes: u32,
    /// Open files of one process.
    #[schemars(range(min = 16))]
    pub open_files: u64,
    /// The largest file.
    pub file: Size,
    /// What /dev/shm holds.
    pub shared_memory: Size,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            memory: Size(256 << 20),
            cpus: 1.0,
            processes: 64,
            open_files: 256,
            file: Size(32 << 20),
            shared_memory: Size(16 << 20),
        }
    }
}
