//! `[host]`: where it listens, who may call, what callers may cost.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use plugin_api::contract::requirement::Priority;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretSource;
use crate::config::value::{AddressText, PositiveDuration, SizeText, duration, size};

/// `[host]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HostSettings {
    /// Where to listen. Beyond loopback it needs `keys`, or `allow_anonymous = true`.
    #[schemars(with = "AddressText")]
    pub listen: SocketAddr,
    /// Directories of plugins, relative to the file's own directory.
    pub plugin_dirs: Vec<PathBuf>,
    /// Where private copies of plugins are kept, relative to the file's own directory.
    pub state_dir: PathBuf,
    /// Run plugins that the file does not name, with default settings.
    pub autoload: bool,
    /// Listen beyond loopback without keys. Must be said explicitly.
    pub allow_anonymous: bool,
    /// Let administrators add and remove hubs while the host runs. A hub's settings name programs to start, so whoever
    /// may do that may run programs as this host's user; and where no keys are configured, everybody may.
    pub hubs_at_run_time: bool,
    /// The keys that callers may use. Empty: none is wanted.
    pub keys: Vec<KeySettings>,
    /// `Origin`s of browser pages that may call, besides pages from this machine.
    pub allowed_origins: Vec<String>,
    /// `Host` names under which we may be addressed, besides loopback names and addresses.
    pub allowed_hosts: Vec<String>,
    /// Limits on what callers may cost.
    pub limits: Limits,
    /// How long a stop waits for work in flight.
    #[serde(with = "duration")]
    #[schemars(with = "crate::config::value::DurationText")]
    pub shutdown_timeout: Duration,
    /// How long cancelled work in a plugin gets to end by itself.
    #[serde(with = "duration")]
    #[schemars(with = "crate::config::value::DurationText")]
    pub cancel_grace: Duration,
    /// Threads that carry bytes; 0 is one for each core.
    #[schemars(range(max = 1024))]
    pub network_threads: usize,
    /// Threads of each plugin's own runtime.
    #[schemars(range(min = 1, max = 1024))]
    pub plugin_threads: usize,
    /// How long a plugin's constructor may take.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub construct_timeout: Duration,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7433)),
            plugin_dirs: vec![PathBuf::from("plugins.d")],
            state_dir: PathBuf::from("state"),
            autoload: false,
            allow_anonymous: false,
            hubs_at_run_time: false,
            keys: Vec::new(),
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            limits: Limits::default(),
            shutdown_timeout: Duration::from_secs(30),
            cancel_grace: Duration::from_millis(250),
            network_threads: 0,
            plugin_threads: 1,
            construct_timeout: Duration::from_secs(10),
        }
    }
}

/// One key that callers may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "KeyEntry", into = "KeyEntry")]
#[schemars(with = "KeyEntry")]
pub struct KeySettings {
    /// Whose it is: shown in logs, used for fairness in the queue.
    pub name: String,
    /// Where the key itself comes from.
    pub source: SecretSource,
    /// May drain, pull, delete and so on.
    pub admin: bool,
    /// The highest class its requests may ask for; also their default if lower than normal.
    pub max_priority: Priority,
    /// How many of its requests at once; `None` leaves it to the host's limit.
    pub max_concurrent: Option<u32>,
}

/// One entry of `keys = [...]`, as the file spells it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KeySettings")]
struct KeyEntry {
    /// Whose it is: shown in logs, used for fairness in the queue.
    #[schemars(length(min = 1))]
    name: String,
    /// The file whose trimmed contents are the key; others must not be able to read it. This or `key_env`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_file: Option<PathBuf>,
    /// The environment variable that holds the key. This or `key_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_env: Option<String>,
    /// May drain, pull, delete and so on.
    #[serde(default)]
    admin: bool,
    /// The highest class its requests may ask for; also their default if lower than normal.
    #[serde(default = "high")]
    max_priority: Priority,
    /// How many of its requests at once; absent leaves it to the host's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    max_concurrent: Option<u32>,
}

/// Everything but `urgent`: that class overtakes all others, so it is given by name only.
fn high() -> Priority {
    Priority::High
}

impl TryFrom<KeyEntry> for KeySettings {
    type Error = &'static str;

    fn try_from(entry: KeyEntry) -> Result<Self, Self::Error> {
        let source = match (entry.key_file, entry.key_env) {
            (Some(file), None) => SecretSource::File(file),
            (None, Some(variable)) => SecretSource::Environment(variable),
            _ => return Err("a key needs either `key_file` or `key_env`"),
        };
        Ok(Self {
            name: entry.name,
            source,
            admin: entry.admin,
            max_priority: entry.max_priority,
            max_concurrent: entry.max_concurrent,
        })
    }
}

impl From<KeySettings> for KeyEntry {
    fn from(key: KeySettings) -> Self {
        let (key_file, key_env) = match key.source {
            SecretSource::File(file) => (Some(file), None),
            SecretSource::Environment(variable) => (None, Some(variable)),
        };
        Self {
            name: key.name,
            key_file,
            key_env,
            admin: key.admin,
            max_priority: key.max_priority,
            max_concurrent: key.max_concurrent,
        }
    }
}

/// Limits on what callers may cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest request body.
    #[serde(with = "size")]
    #[schemars(with = "SizeText")]
    pub body_bytes: u64,
    /// All request bodies held at once.
    #[serde(with = "size")]
    #[schemars(with = "SizeText")]
    pub buffered_bytes: u64,
    /// The answers to one JSON-RPC batch together, until its client has read them.
    #[serde(with = "size")]
    #[schemars(with = "SizeText")]
    pub batch_answer_bytes: u64,
    /// All whole answers held at once, until their clients have read them. Where there are several keys, one may have half.
    #[serde(with = "size")]
    #[schemars(with = "SizeText")]
    pub buffered_answer_bytes: u64,
    /// The most header fields of a request.
    #[schemars(range(min = 1))]
    pub header_count: usize,
    /// The largest head of a request.
    #[serde(with = "size")]
    #[schemars(with = "SizeText")]
    pub header_bytes: usize,
    /// How long a client may take to send its head.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub header_timeout: Duration,
    /// How long a client may pause while it sends its body.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub body_idle_timeout: Duration,
    /// How long a client may take to send its whole body.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub body_timeout: Duration,
    /// How long a client may leave an answer unread.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub write_idle_timeout: Duration,
    /// Connections at once.
    #[schemars(range(min = 1))]
    pub connections: usize,
    /// Requests at once, all callers together.
    #[schemars(range(min = 1))]
    pub concurrent: usize,
    /// Entries of a JSON-RPC batch.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Nesting of JSON.
    #[schemars(range(min = 1, max = 1024))]
    pub json_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 << 20,
            buffered_bytes: 512 << 20,
            batch_answer_bytes: 128 << 20,
            buffered_answer_bytes: 512 << 20,
            header_count: 100,
            header_bytes: 64 << 10,
            header_timeout: Duration::from_secs(10),
            body_idle_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(120),
            write_idle_timeout: Duration::from_secs(60),
            connections: 4096,
            concurrent: 1024,
            batch: 100,
            json_depth: 128,
        }
    }
}
