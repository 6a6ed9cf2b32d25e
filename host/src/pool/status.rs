//! Status: what an operator sees of an instance, which is what a request would meet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugin_api::contract::breaker::BreakerStatus;
use plugin_api::contract::instance::{Capability, Endpoint, Origin, ResourceInstance};
use plugin_api::contract::metrics::InstanceSnapshot;
use plugin_api::contract::probe::Load;
use plugin_api::contract::time::Tick;
use plugin_api::host::InstanceView;
use serde::Serialize;
use serde_json::{Map, Value};

use super::core::Core;
use super::hold::Reserver;
use super::slot::{RESERVED, Slot, State};

/// One instance, as an operator sees it.
#[derive(Debug, Clone, Serialize)]
pub struct InstanceStatus {
    /// Its id within the hub.
    pub id: String,
    /// The hub it belongs to.
    pub hub: String,
    /// Where requests go; without user and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its state.
    pub state: State,
    /// Its breaker.
    pub breaker: BreakerStatus,
    /// Whether a request would be sent to it now.
    pub routable: bool,
    /// Why not; or what is amiss although it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Requests in flight.
    pub in_flight: u32,
    /// How many of them are allocations.
    #[serde(skip_serializing_if = "is_zero")]
    pub allocated: u32,
    /// How many it takes at once; absent is without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
    /// Draining, and nothing is in flight any more.
    pub drained: bool,
    /// Labels.
    pub tags: BTreeSet<String>,
    /// Share under `weighted`.
    pub weight: f64,
    /// Tier under `priority_based`.
    pub priority: i32,
    /// How the hub came by it.
    pub origin: Origin,
    /// The dialects it answers.
    pub dialects: Vec<String>,
    /// What it can do.
    pub capabilities: Vec<Capability>,
    /// Its software version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How much of its machine it uses, where the hub can tell.
    pub load: Load,
    /// The hub's own gauges.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gauges: BTreeMap<String, f64>,
    /// Whatever else the hub says of it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Milliseconds since its last probe ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probed_ms_ago: Option<u64>,
    /// Failed probes in a row.
    pub failed_probes: u32,
    /// The specification it was started with, by its name in the warm pool; then no ordinary request gets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm: Option<String>,
    /// What it has done.
    pub metrics: InstanceSnapshot,
    /// Who has it for himself. Told only to whom that [concerns](Self::told_to).
    #[serde(skip)]
    reserved: Option<Reserver>,
}

impl InstanceStatus {
    /// With by whom it is reserved, if `concerns` says so of the caller's name.
    pub fn told_to(mut self, concerns: impl FnOnce(&str) -> bool) -> Self {
        if let Some(by) = &self.reserved
            && self.reason.as_deref() == Some(RESERVED)
            && concerns(&by.principal)
        {
            self.reason = Some(format!("{RESERVED} by {}", by.words));
        }
        self
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What every account of an instance has in common.
pub(super) struct Account {
    pub(super) instance: Arc<ResourceInstance>,
    pub(super) state: State,
    pub(super) routable: bool,
    pub(super) reason: Option<String>,
    pub(super) in_flight: u32,
    pub(super) limit: Option<u32>,
    pub(super) leaving: bool,
}

impl Account {
    pub(super) fn of(slot: &Slot, now: Tick) -> Self {
        slot.reopen(now);
        let reading = slot.gate.read();
        let (state, complaint) = {
            let condition = slot.condition.lock();
            (condition.state(), condition.reason())
        };
        Self {
            instance: slot.instance.load_full(),
            state,
            routable: reading.open(),
            reason: slot.obstacle(now).or(complaint),
            in_flight: reading.in_flight,
            limit: (reading.limit != u32::MAX).then_some(reading.limit),
            leaving: reading.leaving(),
        }
    }
}

impl Core {
    pub(super) fn status(&self, slot: &Slot) -> InstanceStatus {
        let now = self.clock.now();
        let account = Account::of(slot, now);
        let facts = slot.facts.lock().clone();
        let (last_probe, failed_probes) = {
            let condition = slot.condition.lock();
            (condition.health.last_probe(), condition.health.failures())
        };
        let instance = &account.instance;
        InstanceStatus {
            id: instance.id.clone(),
            hub: self.settings.name.clone(),
            url: instance
                .endpoint
                .as_ref()
                .map(|endpoint| without_user(&endpoint.url)),
            state: account.state,
            breaker: slot.breaker.status(now),
            routable: account.routable,
            reason: account.reason,
            in_flight: account.in_flight,
            allocated: slot.holds.load(Ordering::Relaxed),
            max_concurrent: account.limit,
            drained: account.leaving && account.in_flight == 0,
            tags: instance.tags.clone(),
            weight: instance.weight,
            priority: instance.priority,
            origin: instance.origin,
            dialects: instance.dialects.clone(),
            capabilities: instance.capabilities.clone(),
            version: facts.version,
            load: facts.load,
            gauges: facts.gauges,
            metadata: instance.metadata.clone(),
            probed_ms_ago: last_probe.map(|last| now.since(last).as_millis() as u64),
            failed_probes,
            warm: slot
                .warm
                .as_ref()
                .map(|specification| specification.name().to_owned()),
            metrics: slot.metrics.snapshot(),
            reserved: slot.reserved.lock().clone(),
        }
    }

    pub(super) fn view(&self, slot: &Slot) -> InstanceView {
        let account = Account::of(slot, self.clock.now());
        InstanceView {
            hub: self.settings.name.clone(),
            instance: without_secrets(&account.instance),
            state: account.state.name().to_owned(),
            routable: account.routable,
            reason: account.reason,
            in_flight: account.in_flight,
        }
    }
}

fn without_secrets(instance: &ResourceInstance) -> ResourceInstance {
    let mut instance = instance.clone();
    if let Some(Endpoint { url, headers, .. }) = &mut instance.endpoint {
        *url = without_user(url);
        headers.iter_mut().for_each(|(_, value)| value.clear());
    }
    instance
}

/// `http://user:password@host` without the part before `@`.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_user;

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        assert_eq!(
            without_user("http://me:secret@gpu1:11434/x@y"),
            "http://gpu1:11434/x@y"
        );
        assert_eq!(without_user("http://gpu1:11434"), "http://gpu1:11434");
        assert_eq!(without_user("nonsense"), "nonsense");
    }
}
