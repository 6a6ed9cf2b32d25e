//! The settings, as the manifest's schemas describe them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `config` of the hub.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Look for engines at DOCKER_HOST and at the usual sockets of Docker and Podman, and use those found, where `instances` names none.
    pub auto_discover: bool,
    /// The image of workloads that name none.
    pub image: Option<String>,
    /// When images are fetched: when the engine does not have them, never, or before each start.
    #[schemars(with = "String", extend("enum" = ["missing", "never", "always"]))]
    pub pull: Pull,
    /// Credentials by registry, such as ghcr.io.
    pub registries: BTreeMap<String, Registry>,
    /// How the process in a box is spoken to: over a socket in a directory of this machine, over its standard input and output, or the first where it can work.
    #[schemars(with = "String", extend("enum" = ["auto", "socket", "stdio"]))]
    pub transport: Transport,
    /// Where the directories of control channels are; below XDG_RUNTIME_DIR or /run unless set.
    pub state_dir: Option<PathBuf>,
    /// Whether callers of verbs may name paths of the host's machine: a directory or file to build from, paths that a container may read.
    pub host_paths: bool,
    /// What a workload may use up where it does not say itself.
    pub limits: Limits,
    /// How long a box may live, whatever it does; a workload may say less.
    pub max_lifetime: Span,
    /// How long a box may take until it is ready.
    pub ready_timeout: Span,
    /// How long an engine may take for an answer.
    pub call_timeout: Span,
    /// How long making or starting a container may take.
    pub create_timeout: Span,
    /// How long fetching an image may take.
    pub pull_timeout: Span,
}

impl Default for Config {
    fn default() -> Self {
        let seconds = |seconds| Span(Duration::from_secs(seconds));
        Self {
            auto_discover: true,
            image: None,
            pull: Pull::default(),
            registries: BTreeMap::new(),
            transport: Transport::default(),
            state_dir: None,
            host_paths: false,
            limits: Limits::default(),
            max_lifetime: seconds(24 * 60 * 60),
            ready_timeout: seconds(30),
            call_timeout: seconds(10),
            create_timeout: seconds(30),
            pull_timeout: seconds(10 * 60),
        }
    }
}

/// `config` of one entry of `instances`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InstanceConfig {
    /// A PEM file with the certificates that the engine's is checked against; given, TLS is spoken.
    pub ca: Option<PathBuf>,
    /// A PEM file with our certificate.
    pub cert: Option<PathBuf>,
    /// A PEM file with the key of our certificate.
    pub key: Option<PathBuf>,
}

impl InstanceConfig {
    pub(crate) fn is_given(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.key.is_some()
    }
}

/// When images are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pull {
    /// When the engine does not have them.
    #[default]
    Missing,
    /// Never: what is not there is refused.
    Never,
    /// Before each start.
    Always,
}

/// How the process in a box is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Over a socket where that can work, else over standard input and output.
    #[default]
    Auto,
    /// Over a socket in a directory that this machine and the box share.
    Socket,
    /// Over standard input and output, through the engine.
    Stdio,
}

/// Credentials of a registry.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(default, deny_unknown_fields)]
pub struct Registry {
    /// The user's name.
    pub username: String,
    /// The name under `[secrets]` of the password or token.
    pub password: String,
}

/// What a workload may use up where it does not say itself.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Memory in bytes, scratch directories included.
    #[schemars(range(min = 6_291_456))]
    pub memory_bytes: u64,
    /// Processors, 0.5 being half of one.
    #[schemars(range(min = 0.01))]
    pub cpus: f64,
    /// Processes and threads at once.
    #[schemars(range(min = 1))]
    pub processes: u32,
    /// Open files of one process.
    #[schemars(range(min = 8))]
    pub open_files: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of /dev/shm.
    pub shared_memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            cpus: 1.0,
            processes: 64,
            open_files: 256,
            file_bytes: 32 << 20,
            shared_memory_bytes: 16 << 20,
        }
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
