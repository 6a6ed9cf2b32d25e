//! Several fake hubs under one manager.

use std::sync::Arc;
use std::time::Duration;

use plugin_api::contract::requirement::{Priority, Requirement};
use plugin_api::{Context, Error};
use serde_json::{Value, json};

use crate::config::settings::HubSettings;
use crate::manager::{HubEntry, Manager, Secrets, Who};
use crate::pool::testing::{FakeHub, configured, idle};
use crate::pool::{Asker, Clock, EventSink, Followed, Follower, Lease, Pool, Tried};

/// Several hubs, and everything that happens in them.
pub(super) struct Fleet {
    pub(super) manager: Arc<Manager>,
    pub(super) hubs: Vec<Arc<FakeHub>>,
    events: Follower,
}

/// A hub to be.
pub(super) struct HubPlan {
    name: &'static str,
    kind: &'static str,
    settings: HubSettings,
    hub: FakeHub,
}

/// A hub of a kind with these instances, each of which takes so many at once.
pub(super) fn hub(name: &'static str, kind: &'static str, limit: u32, ids: &[&str]) -> HubPlan {
    let mut settings = HubSettings::new(name, "fake-hub");
    settings.instances = ids.iter().map(|id| configured(id)).collect();
    settings.health.refresh = Duration::ZERO;
    settings.max_concurrent = Some(limit);
    let mut hub = FakeHub::default();
    hub.manifest.provides = kind.to_owned();
    HubPlan {
        name,
        kind,
        settings,
        hub,
    }
}

impl HubPlan {
    pub(super) fn set(mut self, change: impl FnOnce(&mut HubSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    pub(super) fn hub(mut self, change: impl FnOnce(&mut FakeHub)) -> Self {
        change(&mut self.hub);
        self
    }

    /// Starts its pool. The fake lives on in the entry.
    pub(super) fn start(self, events: &EventSink) -> (HubEntry, Arc<FakeHub>) {
        let hub = Arc::new(self.hub);
        let pool = Pool::start(self.settings, hub.clone(), Clock::simulated(), events.clone());
        assert_eq!(pool.provides(), self.kind);
        let entry = HubEntry {
            name: self.name.to_owned(),
            plugin: "fake-hub".to_owned(),
            version: "1.0.0".to_owned(),
            driver: hub.clone(),
            pool,
        };
        (entry, hub)
    }
}

/// These hubs, started and probed.
pub(super) async fn fleet(plans: impl IntoIterator<Item = HubPlan>) -> Fleet {
    let events = EventSink::default();
    let followed = events.follow();
    let manager = Arc::new(Manager::by(
        Clock::simulated(),
        Secrets::default(),
        events.clone(),
    ));
    let mut hubs = Vec::new();
    for plan in plans {
        let (entry, hub) = plan.start(&events);
        manager.add_hub(entry);
        hubs.push(hub);
    }
    idle().await;
    Fleet {
        manager,
        hubs,
        events: followed,
    }
}

/// Models at two places, containers at one.
pub(super) async fn models_and_boxes() -> Fleet {
    fleet([
        hub("models", "llm-server", 1, &["gpu1", "gpu2"]),
        hub("boxes", "container", 1, &["engine"]),
    ])
    .await
}

/// Somebody with an ordinary key.
pub(super) fn user(name: &str) -> Who {
    Who {
        principal: name.into(),
        admin: false,
        max_priority: Priority::High,
        context: Context::background("test"),
    }
}

/// Somebody with an administrator's key.
pub(super) fn admin() -> Who {
    Who {
        admin: true,
        ..user("root")
    }
}

/// Somebody who may have things exclusively.
pub(super) fn trusted(name: &str) -> Who {
    Who {
        admin: true,
        ..user(name)
    }
}

impl Fleet {
    pub(super) async fn call(&self, who: &Who, verb: &str, params: Value) -> Result<Value, Error> {
        self.manager
            .manage(verb, params.to_string().as_bytes(), who)
            .await
    }

    /// Allocates these for `alice`, without waiting.
    pub(super) async fn allocate(&self, resources: Value) -> Result<Value, Error> {
        let params = json!({ "resources": resources, "timeout": 0 });
        self.call(&trusted("alice"), "allocate", params).await
    }

    /// As [`allocate`](Self::allocate), and it works.
    #[track_caller]
    pub(super) fn given(allocated: Result<Value, Error>) -> (String, Vec<String>) {
        let allocated = allocated.unwrap();
        let id = allocated["allocation"].as_str().unwrap().to_owned();
        let instances = allocated["resources"].as_array().unwrap();
        let instance = |resource: &Value| resource["instance"].as_str().unwrap().to_owned();
        (id, instances.iter().map(instance).collect())
    }

    /// Requests in flight in all hubs together.
    pub(super) fn in_flight(&self) -> u64 {
        let hubs = self.manager.hubs();
        hubs.iter().map(|hub| hub.pool.metrics().hub.in_flight).sum()
    }

    /// An ordinary request of somebody else's, to this instance.
    pub(super) fn request(&self, hub: &str, instance: &str) -> Option<Lease> {
        let requirement = Requirement {
            instance: Some(instance.to_owned()),
            ..Requirement::default()
        };
        let asker = Asker { principal: "other" };
        let pool = self.manager.hub(hub).unwrap().pool.clone();
        pool.try_acquire(&requirement, &asker, &Tried::NONE).ok()
    }

    /// What status says of an instance.
    pub(super) fn instance(&self, id: &str) -> Value {
        self.instance_for(&admin(), id)
    }

    /// What status says of an instance to somebody.
    pub(super) fn instance_for(&self, who: &Who, id: &str) -> Value {
        let instances = self.manager.instances(who.viewer());
        let found = instances
            .as_array()
            .unwrap()
            .iter()
            .find(|instance| instance["id"] == id);
        found.unwrap().clone()
    }

    /// The kinds of events so far that begin like this.
    pub(super) fn happened(&mut self, prefix: &str) -> Vec<String> {
        std::iter::from_fn(|| self.events.try_next())
            .filter_map(|followed| match followed {
                Followed::Event(event) => Some(event.kind.to_owned()),
                Followed::Lost(_) => None,
            })
            .filter(|kind| kind.starts_with(prefix))
            .collect()
    }
}
