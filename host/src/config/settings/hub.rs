//! `[hubs.NAME]`: one hub, its instances, and how the pool engine treats them.

use std::time::Duration;

use plugin_api::contract::instance::InstanceSettings;
use plugin_api::contract::requirement::Strategy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::warm::WarmSettings;
use crate::config::value::{DurationText, Named, PositiveDuration, SizeText, duration, size};

/// `[hubs.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HubSettings {
    /// The name in the file.
    #[serde(skip)]
    pub name: String,
    /// The plugin's id; where absent, the hub's own name with `-hub` after it.
    pub plugin: String,
    /// How an instance is chosen.
    pub strategy: Strategy,
    /// Instances the operator named.
    pub instances: Vec<InstanceSettings>,
    /// Resources for the hub to start, each as its manifest's `start` schema says.
    pub start: Vec<Value>,
    /// Resources that the hub starts ahead of need, for requests that say how one is to be started.
    pub warm: WarmSettings,
    /// How many requests an instance takes at once, where neither it nor its hub says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
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
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
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
            strategy: Strategy::default(),
            instances: Vec::new(),
            start: Vec::new(),
            warm: WarmSettings::default(),
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

impl Default for HubSettings {
    fn default() -> Self {
        Self::new("", "")
    }
}

impl Named for HubSettings {
    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: String) {
        self.name = name;
    }
}

/// `health = { ... }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthSettings {
    /// Between two probes of an instance, jittered by a tenth.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub interval: Duration,
    /// A probe that takes longer has failed.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub timeout: Duration,
    /// Failed probes in a row until degraded.
    #[schemars(range(min = 1))]
    pub degraded_after: u32,
    /// Failed probes in a row until unhealthy.
    #[schemars(range(min = 1))]
    pub unhealthy_after: u32,
    /// The dead are probed ever more rarely, up to this.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub max_interval: Duration,
    /// Between two cheap looks at what changes quickly; zero switches them off.
    #[serde(with = "duration")]
    #[schemars(with = "DurationText")]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    #[schemars(range(min = 1))]
    pub failure_threshold: u32,
    /// Share of failures within the window that opens it, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub error_rate: f64,
    /// Requests within the window before the rate says anything.
    #[schemars(range(min = 1))]
    pub minimum_requests: u32,
    /// The sliding window.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub window: Duration,
    /// How long it stays open the first time.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub recovery_timeout: Duration,
    /// It stays open twice as long each time in a row, up to this.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub max_recovery_timeout: Duration,
    /// Requests let through at once while half-open.
    #[schemars(range(min = 1))]
    pub half_open_requests: u32,
    /// Successes that close it.
    #[schemars(range(min = 1))]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueueSettings {
    /// Requests that may wait; one more is refused with when to come back.
    pub size: usize,
    /// How long a request may wait.
    #[serde(with = "duration")]
    #[schemars(with = "DurationText")]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetrySettings {
    /// Attempts of one request, the first included.
    #[schemars(range(min = 1, max = 100))]
    pub attempts: u32,
    /// Retries allowed as a share of requests, over time.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub budget: f64,
    /// Retries always allowed per second, for quiet times.
    pub minimum_per_second: u32,
    /// How much of a stream may be held back until its first meaningful frame.
    #[serde(with = "size")]
    #[schemars(with = "SizeText")]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutSettings {
    /// To connect.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub connect: Duration,
    /// To the first meaningful byte. Long, because a model may have to be loaded.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub first_byte: Duration,
    /// Between two pieces of an answer.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub idle: Duration,
    /// For everything.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
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
