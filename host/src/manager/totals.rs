//! Totals: every hub together, and each hub by itself.
//!
//! Everything comes from the pools' own metrics. Latencies are merged as histograms, so a percentile of the whole is
//! one of the whole and no mean of the hubs'.

use std::collections::BTreeMap;

use plugin_api::contract::metrics::HubSnapshot;
use serde_json::{Value, json};

use super::Manager;
use crate::pool::PoolMetrics;

impl Manager {
    /// Every hub together, and each hub by itself.
    pub fn totals(&self) -> Value {
        let hubs = self.hubs();
        let reports: Vec<PoolMetrics> = hubs.iter().map(|hub| hub.pool.metrics()).collect();
        let mut by_state: BTreeMap<&str, usize> = BTreeMap::new();
        let mut by_kind: BTreeMap<&str, usize> = BTreeMap::new();
        let mut requests = HubSnapshot::default();
        let (mut instances, mut routable, mut in_flight, mut queued) = (0, 0, 0, 0);
        for (hub, report) in hubs.iter().zip(&reports) {
            for (state, number) in &report.hub.states {
                *by_state.entry(state).or_default() += number;
            }
            *by_kind.entry(hub.pool.provides()).or_default() += report.instances.len();
            requests.merge(&report.hub.counted);
            instances += report.instances.len();
            routable += report.hub.routable;
            in_flight += report.hub.in_flight;
            queued += report.hub.queue_depth;
        }
        let tally = self.allocations().tally();
        let each: Vec<_> = hubs
            .iter()
            .zip(&reports)
            .map(|(hub, report)| {
                json!({
                    "name": hub.name,
                    "plugin": hub.plugin,
                    "kind": hub.pool.provides(),
                    "instances": report.instances.len(),
                    "allocated": allocated(hub),
                    "warm": hub.pool.warm_status(),
                    "metrics": report.hub,
                })
            })
            .collect();
        let allocated: u64 = hubs.iter().map(|hub| allocated(hub)).sum();
        json!({
            "hubs": { "total": hubs.len(), "each": each },
            "instances": { "total": instances, "routable": routable, "by_kind": by_kind, "by_state": by_state },
            "in_flight": in_flight,
            "leases": { "requests": in_flight.saturating_sub(allocated), "allocated": allocated },
            "queue_depth": queued,
            "allocations": tally,
            "requests": requests,
        })
    }
}

/// How many places of a hub's instances are allocated.
fn allocated(hub: &super::HubEntry) -> u64 {
    let instances = hub.pool.instances();
    instances
        .iter()
        .map(|instance| u64::from(instance.allocated))
        .sum()
}
