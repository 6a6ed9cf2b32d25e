//! What the last probe found, besides health and capabilities.

use std::collections::BTreeMap;

use plugin_api::contract::probe::{Load, Probe};

/// What the last successful probe found; for status and metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::pool) struct Facts {
    pub(in crate::pool) load: Load,
    pub(in crate::pool) max_concurrent: Option<u32>,
    pub(in crate::pool) version: Option<String>,
    pub(in crate::pool) gauges: BTreeMap<String, f64>,
}

impl Facts {
    /// Takes over what a probe found. What it does not say of limit and version stays as it was.
    pub(in crate::pool) fn update(&mut self, probe: &Probe) {
        self.load = probe.load;
        self.gauges = probe.gauges.clone();
        // No limit of zero: an instance that takes nothing says so by being unhealthy.
        self.max_concurrent = probe
            .max_concurrent
            .filter(|limit| *limit > 0)
            .or(self.max_concurrent);
        if probe.version.is_some() {
            self.version.clone_from(&probe.version);
        }
    }
}
