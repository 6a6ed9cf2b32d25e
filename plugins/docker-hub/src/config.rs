//! The settings, as the manifest's schemas describe them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use plugin_api::quantity::{Size, Span};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
        Self {
            auto_discover: true,
            image: None,
            pull: Pull::default(),
            registries: BTreeMap::new(),
            transport: Transport::default(),
            state_dir: None,
            host_paths: false,
            limits: Limits::default(),
            max_lifetime: Span::seconds(24 * 60 * 60),
            ready_timeout: Span::seconds(30),
            call_timeout: Span::seconds(10),
            create_timeout: Span::seconds(30),
            pull_timeout: Span::seconds(10 * 60),
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
#[schemars(inline, transform = earlier_names)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Memory, scratch directories included; at least 6 MiB.
    #[serde(alias = "memory_bytes")]
    pub memory: Size,
    /// Processors, 0.5 being half of one.
    #[schemars(range(min = 0.01))]
    pub cpus: f64,
    /// Processes and threads at once.
    #[schemars(range(min = 1))]
    pub processes: u32,
    /// Open files of one process.
    #[schemars(range(min = 8))]
    pub open_files: u64,
    /// The largest file.
    #[serde(alias = "file_bytes")]
    pub file: Size,
    /// What /dev/shm holds.
    #[serde(alias = "shared_memory_bytes")]
    pub shared_memory: Size,
}

impl Default for Limits {
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

/// Those that a workload knows by these names too.
fn earlier_names(schema: &mut Schema) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    let Some(properties) = properties else { return };
    for name in ["memory", "file", "shared_memory"] {
        let Some(mut same) = properties.get(name).cloned() else {
            continue;
        };
        same["description"] = format!("The same as `{name}`.").into();
        if let Some(same) = same.as_object_mut() {
            same.remove("default");
        }
        properties.insert(format!("{name}_bytes"), same);
    }
}
