//! The settings, as the rest of the host uses them: complete, checked, with every default filled in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use plugin_api::contract::instance::InstanceSettings;
use plugin_api::contract::requirement::{Priority, Strategy};
use serde_json::{Map, Value};

/// Everything `plugins.toml`, the environment and the command line say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// `[host]`.
    pub host: HostSettings,
    /// `[hubs.NAME]`, in the order of the file.
    pub hubs: Vec<HubSettings>,
    /// `[providers.NAME]`, in the order of the file.
    pub providers: Vec<ProviderSettings>,
    /// `[secrets]`: where each named secret comes from.
    pub secrets: BTreeMap<String, SecretSource>,
}

/// `[host]`.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Directories of plugins, relative to the file's own directory.
    pub plugin_dirs: Vec<PathBuf>,
    /// Where private copies of plugins are kept.
    pub state_dir: PathBuf,
    /// Run plugins that the file does not name, with default settings.
    pub autoload: bool,
    /// Listen beyond loopback without keys. Must be said explicitly.
    pub allow_anonymous: bool,
    /// The keys that callers may use. Empty: none is wanted.
    pub keys: Vec<KeySettings>,
    /// `Origin`s of browser pages that may call, besides pages from this machine.
    pub allowed_origins: Vec<String>,
    /// `Host` names under which we may be addressed, besides loopback names and addresses.
    pub allowed_hosts: Vec<String>,
    /// Limits on what callers may cost.
    pub limits: Limits,
    /// How long a stop waits for work in flight.
    pub shutdown_timeout: Duration,
    /// How long cancelled work in a plugin gets to end by itself.
    pub cancel_grace: Duration,
    /// Threads that carry bytes; 0 is one for each core.
    pub network_threads: usize,
    /// Threads of each plugin's own runtime.
    pub plugin_threads: usize,
    /// How long a plugin's constructor may take.
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
#[derive(Debug, Clone, PartialEq)]
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

/// Where a secret comes from. The file or the variable is read at start; the value is never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file whose trimmed contents are the secret; must not be readable by others.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
}

/// Limits on what callers may cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The largest request body in bytes.
    pub body_bytes: u64,
    /// All request bodies held at once, in bytes.
    pub buffered_bytes: u64,
    /// The most header fields of a request.
    pub header_count: usize,
    /// The largest head of a request in bytes.
    pub header_bytes: usize,
    /// How long a client may take to send its head.
    pub header_timeout: Duration,
    /// How long a client may pause while it sends its body.
    pub body_idle_timeout: Duration,
    /// How long a client may take to send its whole body.
    pub body_timeout: Duration,
    /// How long a client may leave an answer unread.
    pub write_idle_timeout: Duration,
    /// Connections at once.
    pub connections: usize,
    /// Requests at once, all callers together.
    pub concurrent: usize,
    /// Entries of a JSON-RPC batch.
    pub batch: usize,
    /// Nesting of JSON.
    pub json_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 << 20,
            buffered_bytes: 512 << 20,
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

/// `[hubs.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct HubSettings {
    /// The name in the file.
    pub name: String,
    /// The plugin's id.
    pub plugin: String,
    /// How an instance is chosen.
    pub strategy: Strategy,
    /// Instances the operator named.
    pub instances: Vec<InstanceSettings>,
    /// Resources for the hub to start, each as its manifest's `start` schema says.
    pub start: Vec<Value>,
    /// How many requests an instance takes at once, where neither it nor its hub says.
    pub max_concurrent: Option<u32>,
    /// Health checks.
    pub health: HealthSettings,
    /// The circuit breaker.
    pub breaker: BreakerSettings,
    /// The queue.
    pub queue: QueueSettings,
    /// Retries.
    pub retry: RetrySettings,
    /// Time limits of a forwarded request.
    pub timeouts: TimeoutSettings,
    /// How often the hub looks for instances.
    pub discovery_interval: Duration,
    /// May fetch a capability that no instance has (pull a model).
    pub acquire: bool,
    /// The hub's own settings, checked against its manifest.
    pub config: Map<String, Value>,
}

impl HubSettings {
    /// A hub of this name and plugin with defaults for everything else.
    pub fn new(name: impl Into<String>, plugin: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            plugin: plugin.into(),
            strategy: Strategy::LeastLoaded,
            instances: Vec::new(),
            start: Vec::new(),
            max_concurrent: None,
            health: HealthSettings::default(),
            breaker: BreakerSettings::default(),
            queue: QueueSettings::default(),
            retry: RetrySettings::default(),
            timeouts: TimeoutSettings::default(),
            discovery_interval: Duration::from_secs(60),
            acquire: false,
            config: Map::new(),
        }
    }
}

/// `health = { ... }`.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthSettings {
    /// Between two probes of an instance, jittered by a tenth.
    pub interval: Duration,
    /// A probe that takes longer has failed.
    pub timeout: Duration,
    /// Failed probes in a row until degraded.
    pub degraded_after: u32,
    /// Failed probes in a row until unhealthy.
    pub unhealthy_after: u32,
    /// The dead are probed ever more rarely, up to this.
    pub max_interval: Duration,
    /// Between two cheap looks at what changes quickly; zero switches them off.
    pub refresh: Duration,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            degraded_after: 2,
            unhealthy_after: 3,
            max_interval: Duration::from_secs(120),
            refresh: Duration::from_secs(2),
        }
    }
}

/// `breaker = { ... }`.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failure_threshold: u32,
    /// Share of failures within the window that opens it, 0 to 1.
    pub error_rate: f64,
    /// Requests within the window before the rate says anything.
    pub minimum_requests: u32,
    /// The sliding window.
    pub window: Duration,
    /// How long it stays open the first time.
    pub recovery_timeout: Duration,
    /// It stays open twice as long each time in a row, up to this.
    pub max_recovery_timeout: Duration,
    /// Requests let through at once while half-open.
    pub half_open_requests: u32,
    /// Successes that close it.
    pub success_threshold: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            error_rate: 0.5,
            minimum_requests: 10,
            window: Duration::from_secs(60),
            recovery_timeout: Duration::from_secs(60),
            max_recovery_timeout: Duration::from_secs(600),
            half_open_requests: 3,
            success_threshold: 2,
        }
    }
}

/// `queue = { ... }`.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueSettings {
    /// Requests that may wait; one more is refused with when to come back.
    pub size: usize,
    /// How long a request may wait.
    pub timeout: Duration,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            size: 512,
            timeout: Duration::from_secs(60),
        }
    }
}

/// `retry = { ... }`.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrySettings {
    /// Attempts of one request, the first included.
    pub attempts: u32,
    /// Retries allowed as a share of requests, over time.
    pub budget: f64,
    /// Retries always allowed per second, for quiet times.
    pub minimum_per_second: u32,
    /// How much of a stream may be held back until its first meaningful frame, in bytes.
    pub hold_bytes: usize,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: 3,
            budget: 0.2,
            minimum_per_second: 10,
            hold_bytes: 256 << 10,
        }
    }
}

/// `timeouts = { ... }`: of a request to an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeoutSettings {
    /// To connect.
    pub connect: Duration,
    /// To the first meaningful byte. Long, because a model may have to be loaded.
    pub first_byte: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// For everything.
    pub total: Duration,
}

impl Default for TimeoutSettings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(300),
            idle: Duration::from_secs(120),
            total: Duration::from_secs(3600),
        }
    }
}

/// `[providers.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderSettings {
    /// The name in the file.
    pub name: String,
    /// The plugin's id.
    pub plugin: String,
    /// The hubs it uses.
    pub hubs: HubBinding,
    /// The provider's own settings, checked against its manifest.
    pub config: Map<String, Value>,
}

/// How a provider is joined to its hubs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HubBinding {
    /// Those its manifest asks for.
    #[default]
    ByManifest,
    /// These, in order of preference.
    Ordered(Vec<String>),
    /// Each under the role that the provider knows it by.
    ByRole(BTreeMap<String, String>),
}
