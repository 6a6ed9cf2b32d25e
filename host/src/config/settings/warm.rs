//! `warm = { ... }`: resources that a hub starts ahead of need.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::value::{PositiveDuration, duration};

/// `warm = { ... }` of a hub that can start resources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WarmSettings {
    /// Unused resources kept ready of each kind that is to be kept ready, or that is asked for again and again.
    pub min_idle: u32,
    /// The most resources of all kinds together, those that are starting or stopping included.
    #[schemars(range(min = 1))]
    pub max: u32,
    /// One that is idle for longer, beyond what is kept ready, is stopped; a kind nobody asks for is no longer kept ready.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub idle_timeout: Duration,
    /// How often one may be used, always by the same caller; 1 is never again.
    #[schemars(range(min = 1))]
    pub max_uses: u32,
    /// One that is older is replaced as soon as it is idle.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub max_lifetime: Duration,
    /// How long the hub may take to start one, or to make it as good as new.
    #[serde(with = "duration")]
    #[schemars(with = "PositiveDuration")]
    pub start_timeout: Duration,
}

impl Default for WarmSettings {
    fn default() -> Self {
        Self {
            min_idle: 1,
            max: 8,
            idle_timeout: Duration::from_secs(300),
            max_uses: 100,
            max_lifetime: Duration::from_secs(3600),
            start_timeout: Duration::from_secs(60),
        }
    }
}
