//! Probes: what a hub found when it looked at an instance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::instance::Capability;

/// What a hub found. A probe that fails is an `Err` instead, and counts against the instance's health.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// `None` is healthy; a reason makes the instance degraded: used, but after healthy ones.
    pub degraded: Option<String>,
    /// What it can do, all of it; `None` leaves what was known.
    pub capabilities: Option<Vec<Capability>>,
    /// How much of the machine it uses, where the hub can tell.
    pub load: Load,
    /// How many requests it says it takes at once; used where the operator set no limit.
    pub max_concurrent: Option<u32>,
    /// Its software version.
    pub version: Option<String>,
    /// The hub's own gauges, shown in status and metrics under these names.
    pub gauges: BTreeMap<String, f64>,
}

/// Use of the machine. Every field is optional: absent is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// Processor use in percent of one core.
    pub cpu_percent: Option<f64>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Memory in percent of its limit.
    pub memory_percent: Option<f64>,
    /// Bytes read from and written to disk since it started.
    pub disk_io_bytes: Option<u64>,
    /// Bytes received and sent since it started.
    pub network_io_bytes: Option<u64>,
}
