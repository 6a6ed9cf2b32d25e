//! The population: how instances come into a pool and leave it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use plugin_api::contract::instance::{InstanceSettings, Origin, ResourceInstance};
use serde_json::{Value, json};

use super::call::bounded;
use super::core::Core;
use super::events::kind;
use super::slot::{Leaving, Phase, Slot};
use super::warm::Specification;

/// How long the hub may take to take over a configured instance: it only checks what it is given.
const ADOPTION_LIMIT: Duration = Duration::from_secs(10);
/// How long one discovery may take.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(30);

impl Core {
    /// Takes over the configured instances, then looks for others from time to time, until the pool is closed.
    pub(super) async fn populate(self: Arc<Self>) {
        let closed = self.closed.clone();
        tokio::select! {
            () = closed.cancelled() => {}
            () = self.keep_populated() => {}
        }
    }

    async fn keep_populated(self: Arc<Self>) {
        self.adopt_configured().await;
        self.discover().await;
        self.booted();
        let interval = self.settings.discovery_interval;
        while !interval.is_zero() {
            let next = self
                .clock
                .now()
                .after(interval.mul_f64(0.9 + 0.2 * fastrand::f64()));
            self.clock.sleep_until(next).await;
            self.discover().await;
        }
    }

    /// All at once, registered in the order of the configuration. One that the hub does not take is there all the
    /// same, failed, with the reason: an operator must see what was configured.
    async fn adopt_configured(self: &Arc<Self>) {
        let adoptions = self.settings.instances.iter().map(|settings| async move {
            let adopted = bounded(ADOPTION_LIMIT, "adopt", |_| self.driver.adopt(settings.clone())).await;
            match adopted {
                Ok(mut instance) => {
                    instance.origin = Origin::Configured;
                    (instance, Phase::Serving)
                }
                Err(error) => (
                    stand_in(settings),
                    Phase::Failed(plugin_api::Error::from(error).message),
                ),
            }
        });
        self.add(join_all(adoptions).await);
    }

    async fn discover(self: &Arc<Self>) {
        match bounded(DISCOVERY_LIMIT, "discover", |context| {
            self.driver.discover(context)
        })
        .await
        {
            Ok(found) => self.take_discovered(found),
            // What was found before stays: not being able to look is no sign of absence.
            Err(error) => {
                let error = plugin_api::Error::from(error);
                tracing::warn!(hub = self.settings.name, %error, "discovery failed");
            }
        }
    }

    /// Newcomers come in, those known are described anew, those gone are drained and removed.
    fn take_discovered(self: &Arc<Self>, found: Vec<ResourceInstance>) {
        let all = self.registry.all();
        let (discovered, given): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|slot| slot.origin() == Origin::Discovered);
        let taken: HashSet<String> = given
            .iter()
            .filter_map(|slot| url(&slot.instance.load()))
            .collect();
        let now = self.clock.now();
        let mut present = HashSet::new();
        let mut newcomers = Vec::new();
        for mut instance in found {
            instance.origin = Origin::Discovered;
            // The operator's own word on the same server counts for more, whatever the two call it.
            if url(&instance).is_some_and(|url| taken.contains(&url)) || !present.insert(instance.id.clone())
            {
                continue;
            }
            match discovered.iter().find(|slot| *slot.id == *instance.id) {
                Some(slot) => {
                    self.registry.describe(slot, instance, now);
                    self.stay(slot);
                }
                None => newcomers.push((instance, Phase::Serving)),
            }
        }
        self.add(newcomers);
        self.let_go(discovered.iter().filter(|slot| !present.contains(&*slot.id)));
    }

    /// Registers instances and begins to look after them.
    pub(super) fn add(self: &Arc<Self>, instances: Vec<(ResourceInstance, Phase)>) -> Vec<Arc<Slot>> {
        if instances.is_empty() || self.is_closed() {
            return Vec::new();
        }
        let added = self.registry.register(instances, self.clock.now());
        for slot in &added {
            let data = json!({ "origin": slot.origin() });
            self.emit(kind::INSTANCE_REGISTERED, Some(slot), data);
            self.spawn(self.clone().watch_health(slot.clone()));
            self.spawn(self.clone().keep_fresh(slot.clone()));
        }
        self.pump();
        added
    }

    /// Registers a resource of the warm pool and begins to look after it; `None` if there is one of this id.
    pub(super) fn introduce(
        self: &Arc<Self>,
        instance: ResourceInstance,
        specification: Arc<Specification>,
    ) -> Option<Arc<Slot>> {
        let slot = self
            .registry
            .register_warm(instance, specification, self.clock.now())?;
        let data = json!({ "origin": slot.origin() });
        self.emit(kind::INSTANCE_REGISTERED, Some(&slot), data);
        self.spawn(self.clone().watch_health(slot.clone()));
        Some(slot)
    }

    /// It is there after all.
    fn stay(self: &Arc<Self>, slot: &Arc<Slot>) {
        let change = slot.change(|condition| condition.leaving = None);
        if let Some(change) = change {
            self.state_changed(slot, change);
        }
    }

    /// Drains instances that have vanished, and removes each once it is empty: those that are idle together, because
    /// every removal makes the index anew.
    fn let_go<'a>(self: &Arc<Self>, vanished: impl Iterator<Item = &'a Arc<Slot>>) {
        let mut idle = Vec::new();
        for slot in vanished {
            let mut news = false;
            let change = slot.change(|condition| {
                news = condition.leaving.is_none();
                condition.leaving = Some(Leaving::Vanished);
            });
            if let Some(change) = change {
                self.state_changed(slot, change);
            }
            if slot.gate.read().in_flight == 0 {
                idle.push(slot.clone());
            } else if news {
                self.spawn(self.clone().remove_when_empty(slot.clone()));
            }
        }
        self.remove(&idle);
    }

    async fn remove_when_empty(self: Arc<Self>, slot: Arc<Slot>) {
        tokio::select! {
            () = slot.empty() => {}
            () = slot.retired.cancelled() => return,
        }
        // It may have been found again meanwhile.
        if slot.condition.lock().leaving.is_some() {
            self.remove(&[slot]);
        }
    }

    /// Takes instances out. Their numbers stay in the hub's totals.
    pub(super) fn remove(self: &Arc<Self>, slots: &[Arc<Slot>]) {
        if slots.is_empty() {
            return;
        }
        for slot in self.registry.unregister(slots, self.clock.now()) {
            self.metrics.retire(&slot.metrics.snapshot());
            self.emit(kind::INSTANCE_UNREGISTERED, Some(slot), Value::Null);
        }
        self.reconsider();
    }
}

fn url(instance: &ResourceInstance) -> Option<String> {
    instance
        .endpoint
        .as_ref()
        .map(|endpoint| endpoint.url.trim_end_matches('/').to_ascii_lowercase())
}

/// What is shown for an instance that the hub would not take.
fn stand_in(settings: &InstanceSettings) -> ResourceInstance {
    ResourceInstance::from_settings(settings).unwrap_or_else(|_| {
        let id = settings.id.clone().unwrap_or_else(|| settings.url.clone());
        ResourceInstance::new(id)
    })
}
