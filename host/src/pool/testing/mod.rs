//! What the engine's tests are told with: a hub that does what the test says, and a pool on it under simulated time.

mod engine;
mod hub;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::{Priority, Requirement};
use serde_json::Value;

pub(crate) use self::engine::Engine;
pub(crate) use self::hub::{FakeHub, Look, capability, configured, served};
use super::{Asker, Clock, EventSink, Followed, Follower, InstanceStatus, Lease, Pool, Refusal, Tried};
use crate::config::settings::HubSettings;

/// A pool on a fake hub, and everything that happens in it.
pub(crate) struct Fleet {
    pub(crate) pool: Pool,
    pub(crate) hub: Arc<FakeHub>,
    pub(crate) events: Follower,
}

/// What to build a [`Fleet`] from.
pub(crate) struct Plan {
    pub(crate) hub: FakeHub,
    pub(crate) settings: HubSettings,
}

/// Instances of these ids, configured; all are well and hold nothing unless the test says so.
pub(crate) fn fleet(ids: &[&str]) -> Plan {
    let mut settings = HubSettings::new("hub", "fake-hub");
    settings.instances = ids.iter().map(|id| configured(id)).collect();
    // Tests that want refreshes say so: the log is easier to read without.
    settings.health.refresh = Duration::ZERO;
    Plan {
        hub: FakeHub::default(),
        settings,
    }
}

impl Plan {
    pub(crate) fn set(mut self, change: impl FnOnce(&mut HubSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    pub(crate) fn hub(mut self, change: impl FnOnce(&mut FakeHub)) -> Self {
        change(&mut self.hub);
        self
    }

    /// Each instance takes so many requests at once.
    pub(crate) fn limit(self, limit: u32) -> Self {
        self.set(|settings| settings.max_concurrent = Some(limit))
    }

    /// Starts the pool; nothing has happened yet.
    pub(crate) fn begin(self) -> Fleet {
        let events = EventSink::default();
        let followed = events.follow();
        let hub = Arc::new(self.hub);
        let pool = Pool::start(self.settings, hub.clone(), Clock::simulated(), events);
        Fleet {
            pool,
            hub,
            events: followed,
        }
    }

    /// Starts the pool and waits for the first probes.
    pub(crate) async fn start(self) -> Fleet {
        let fleet = self.begin();
        idle().await;
        fleet
    }
}

/// Lets every task run until all of them sleep. A millisecond passes.
pub(crate) async fn idle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Lets time pass, with everything that happens in it.
pub(crate) async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

pub(crate) const ME: Asker<'static> = Asker { principal: "me" };

/// A requirement for a model; none for the empty name.
pub(crate) fn needs(model: &str) -> Requirement {
    Requirement {
        capability: (!model.is_empty()).then(|| model.to_owned()),
        ..Requirement::default()
    }
}

/// A requirement for anything, of this class.
pub(crate) fn of_class(priority: Priority) -> Requirement {
    Requirement {
        priority,
        ..Requirement::default()
    }
}

impl Fleet {
    pub(crate) fn try_take(&self, requirement: &Requirement) -> Result<Lease, Refusal> {
        self.pool.try_acquire(requirement, &ME, &Tried::NONE)
    }

    /// A lease on anything.
    pub(crate) fn take(&self) -> Lease {
        self.try_take(&Requirement::default()).unwrap()
    }

    /// A lease on this instance.
    pub(crate) fn take_from(&self, id: &str) -> Lease {
        self.try_take(&only(id)).unwrap()
    }

    /// Waits for a lease in a task of its own.
    pub(crate) fn wait(
        &self,
        principal: &'static str,
        requirement: Requirement,
    ) -> tokio::task::JoinHandle<Result<Lease, Refusal>> {
        let pool = self.pool.clone();
        tokio::spawn(async move {
            pool.acquire(&requirement, &Asker { principal }, &Tried::NONE, None)
                .await
        })
    }

    /// Requests to this instance that all end so.
    pub(crate) fn send(&self, id: &str, outcomes: &[Outcome]) {
        for outcome in outcomes {
            self.take_from(id).finish(*outcome);
        }
    }

    pub(crate) fn status(&self, id: &str) -> InstanceStatus {
        self.pool
            .instances()
            .into_iter()
            .find(|status| status.id == id)
            .unwrap()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.pool
            .instances()
            .into_iter()
            .map(|status| status.id)
            .collect()
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.pool.metrics().hub.in_flight
    }

    /// The kinds of events so far, of one instance, but `instance_registered`.
    pub(crate) fn happened(&mut self, id: &str) -> Vec<String> {
        let mut kinds = Vec::new();
        while let Some(Followed::Event(event)) = self.events.try_next() {
            if event.instance.as_deref() == Some(id) && event.kind != "instance_registered" {
                kinds.push(match event.data.get("new").and_then(Value::as_str) {
                    Some(new) => format!("{} {new}", event.kind),
                    None => event.kind.to_owned(),
                });
            }
        }
        kinds
    }

    /// How often each instance is chosen in so many requests that end at once.
    pub(crate) fn spread(&self, requests: usize, requirement: &Requirement) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..requests {
            let lease = self.try_take(requirement).unwrap();
            *counts.entry(lease.instance().id.clone()).or_default() += 1;
            lease.finish(Outcome::Success);
        }
        counts
    }
}

/// Only this instance will do.
pub(crate) fn only(id: &str) -> Requirement {
    Requirement {
        instance: Some(id.to_owned()),
        ..Requirement::default()
    }
}
