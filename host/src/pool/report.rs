//! Metrics of a pool at a moment, for exports and status.

use std::collections::BTreeMap;

use plugin_api::contract::breaker::BreakerState;
use plugin_api::contract::metrics::{HubSnapshot, InstanceSnapshot};
use plugin_api::contract::probe::Load;
use serde::Serialize;

use super::core::Core;
use super::slot::State;
use super::status::Account;
use super::warm::WarmStatus;

/// Metrics of a pool at a moment.
#[derive(Debug, Clone, Serialize)]
pub struct PoolMetrics {
    /// All of it together.
    pub hub: HubReport,
    /// Each instance.
    pub instances: Vec<InstanceReport>,
    /// Its warm pool, where the hub starts anything.
    pub warm: Option<WarmStatus>,
}

/// Metrics of a hub.
#[derive(Debug, Clone, Serialize)]
pub struct HubReport {
    /// The hub.
    pub name: String,
    /// Everything that is counted; histograms are those of all instances together.
    #[serde(flatten)]
    pub counted: HubSnapshot,
    /// Requests that wait for an instance now.
    pub queue_depth: usize,
    /// Requests in flight now.
    pub in_flight: u64,
    /// Instances by state.
    pub states: BTreeMap<&'static str, usize>,
    /// Instances a request would be sent to now.
    pub routable: usize,
}

/// Metrics of an instance.
#[derive(Debug, Clone, Serialize)]
pub struct InstanceReport {
    /// The instance.
    pub id: String,
    /// Everything that is counted.
    #[serde(flatten)]
    pub counted: InstanceSnapshot,
    /// Whether it is one of the warm pool's.
    pub warm: bool,
    /// Requests in flight now.
    pub in_flight: u32,
    /// How many it takes at once.
    pub max_concurrent: Option<u32>,
    /// Its state.
    pub state: State,
    /// Its breaker's state.
    pub breaker: BreakerState,
    /// Whether a request would be sent to it now.
    pub routable: bool,
    /// How much of its machine it uses.
    pub load: Load,
    /// The hub's own gauges.
    pub gauges: BTreeMap<String, f64>,
}

impl Core {
    pub(super) fn report(&self) -> PoolMetrics {
        let now = self.clock.now();
        let instances: Vec<_> = self
            .registry
            .all()
            .iter()
            .map(|slot| {
                let account = Account::of(slot, now);
                let facts = slot.facts.lock().clone();
                InstanceReport {
                    id: slot.id.to_string(),
                    counted: slot.metrics.snapshot(),
                    warm: slot.warm.is_some(),
                    in_flight: account.in_flight,
                    max_concurrent: account.limit,
                    state: account.state,
                    breaker: slot.breaker.state(),
                    routable: account.routable,
                    load: facts.load,
                    gauges: facts.gauges,
                }
            })
            .collect();
        let mut states: BTreeMap<_, _> = State::ALL.iter().map(|state| (state.name(), 0)).collect();
        for instance in &instances {
            *states.entry(instance.state.name()).or_default() += 1;
        }
        PoolMetrics {
            hub: HubReport {
                name: self.settings.name.clone(),
                counted: self
                    .metrics
                    .snapshot(instances.iter().map(|instance| &instance.counted)),
                queue_depth: self.queue.waiting(),
                in_flight: instances
                    .iter()
                    .map(|instance| u64::from(instance.in_flight))
                    .sum(),
                states,
                routable: instances.iter().filter(|instance| instance.routable).count(),
            },
            instances,
            warm: self.warm.is_able().then(|| self.warm_status()),
        }
    }
}
