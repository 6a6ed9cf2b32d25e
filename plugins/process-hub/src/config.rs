//! The settings, as the manifest's schemas describe them.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
            start_timeout: Span(Duration::from_secs(30)),
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

/// A number of bytes, written like `256MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<ByteSize>()
            .map(|size| Self(size.as_u64()))
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = match self.0 {
            bytes if bytes != 0 && bytes % (1 << 20) == 0 => format!("{}MiB", bytes >> 20),
            bytes => format!("{bytes}B"),
        };
        serializer.serialize_str(&text)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// A length of time, written like `90s` or `5m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map(Span)
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+ ?[a-z]+ ?)+$" })
    }
}
