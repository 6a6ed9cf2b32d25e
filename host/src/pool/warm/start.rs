//! Starting a resource for a shelf, whoever may want it by the time it runs.

use std::sync::Arc;
use std::time::Duration;

use plugin_api::Error;
use plugin_api::contract::instance::{Origin, ResourceInstance};
use plugin_api::contract::time::Tick;
use serde_json::json;

use super::seats::Seat;
use super::setback::Setback;
use super::shelf::Resource;
use super::specification::Specification;
use crate::pool::call::bounded;
use crate::pool::core::Core;
use crate::pool::events::kind;
use crate::pool::slot::Phase;

/// A start that is to be, or is under way. Counts on its shelf until it is dropped.
#[derive(Debug)]
pub(super) struct Starting {
    core: Arc<Core>,
    specification: Arc<Specification>,
    /// `Some` until the resource has it.
    seat: Option<Seat>,
    /// Counted out already.
    ended: bool,
}

impl Starting {
    /// The shelf has counted it in already.
    pub(super) fn new(core: Arc<Core>, specification: Arc<Specification>, seat: Seat) -> Self {
        Self {
            core,
            specification,
            seat: Some(seat),
            ended: false,
        }
    }

    /// Starts it and lays it on its shelf, where whoever is next takes it. Whoever it was begun for may have left.
    pub(super) async fn run(mut self) {
        let core = self.core.clone();
        // A call that has begun may have begun to start something.
        if core.is_closed() {
            return;
        }
        let begun = core.clock.now();
        let limit = core.settings.warm.start_timeout;
        let call = bounded(limit, "start", |context| {
            core.driver.start(context, self.specification.value.clone())
        });
        let outcome = tokio::select! {
            biased;
            outcome = call => outcome.map_err(Error::from),
            // Dropping the call leaves nothing behind: that is the hub's promise.
            () = core.closed.cancelled() => return,
        };
        let took = core.clock.now().since(begun);
        let outcome = match outcome {
            Ok(instance) => self.introduce(instance).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(resource) => self.succeeded(resource, took),
            Err(error) => self.failed(error, begun),
        }
        core.tend();
    }

    /// Makes the instance one of the pool's.
    async fn introduce(&mut self, mut instance: ResourceInstance) -> Result<Resource, Error> {
        let core = &self.core;
        instance.origin = Origin::Started;
        instance.max_concurrent = Some(1);
        let now = core.clock.now();
        let described = Arc::new(instance.clone());
        let Some(slot) = core.introduce(instance, self.specification.clone()) else {
            core.stop_instance(&described).await;
            return Err(Error::plugin(format!(
                "the hub started `{}`, but there is an instance of this id already",
                described.id
            )));
        };
        // Whoever is told of a loss looks for the slot after noting it, so one of the two sees the other.
        if let Some(reason) = core.warm.strays.take(&slot.id) {
            core.set_phase(&slot, Phase::Failed(reason));
        }
        let Some(seat) = self.seat.take() else {
            return Err(Error::plugin("it was started twice"));
        };
        // Those that were started together do not all go together.
        let lifetime = core
            .settings
            .warm
            .max_lifetime
            .mul_f64(0.9 + 0.1 * fastrand::f64());
        Ok(Resource {
            slot,
            specification: self.specification.clone(),
            owner: None,
            uses: 0,
            born: now,
            owned_since: now,
            idle_since: now,
            retires: now.after(lifetime),
            seat,
        })
    }

    fn succeeded(&mut self, resource: Resource, took: Duration) {
        let core = self.core.clone();
        core.warm.counters.started(took);
        let data = json!({
            "specification": self.specification.name,
            "label": self.specification.label,
            "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
        core.emit(kind::RESOURCE_STARTED, Some(&resource.slot), data);
        let now = core.clock.now();
        let refused = self.end(|shelf| {
            if let Some(setback) = &mut shelf.setback {
                setback.lift(now);
            }
            shelf.demand.started(took);
            if core.is_closed() {
                Some(resource)
            } else {
                shelf.put(resource, now).err()
            }
        });
        if let Some(resource) = refused.flatten() {
            core.discard_lost(resource);
        }
        core.pump();
    }

    fn failed(&mut self, error: Error, begun: Tick) {
        let core = self.core.clone();
        core.warm.counters.start_failed();
        // Nobody is to find the shelf empty handed and the seat taken.
        self.seat = None;
        let now = core.clock.now();
        let setback = self.end(|shelf| {
            let setback = Setback::new(shelf.setback.as_ref(), error, begun, now);
            shelf.setback = Some(setback.clone());
            setback
        });
        if let Some(setback) = setback {
            let data = json!({
                "specification": self.specification.name,
                "label": self.specification.label,
                "attempt": setback.failures,
                "reason": setback.error.message,
                "retry_ms": millis_until(setback.lasts_until(now), now),
            });
            core.emit(kind::RECOVERY_FAILED, None, data);
        }
        core.reconsider();
    }

    /// Counts it out, and does what else is to be done in the same moment.
    fn end<T>(&mut self, change: impl FnOnce(&mut super::shelf::Shelf) -> T) -> Option<T> {
        self.ended = true;
        let mut shelves = self.core.warm.shelves.lock();
        let shelf = shelves.get(&self.specification)?;
        shelf.starting = shelf.starting.saturating_sub(1);
        Some(change(shelf))
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if !self.ended {
            self.end(|_| ());
        }
    }
}

fn millis_until(until: Option<Tick>, now: Tick) -> Option<u64> {
    until.map(|until| u64::try_from(until.since(now).as_millis()).unwrap_or(u64::MAX))
}
