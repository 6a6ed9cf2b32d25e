//! The engine every hub runs on: its instances, and who gets which of them, when.
//!
//! A [`Pool`] is one hub's instances. [`Pool::try_acquire`] and [`Pool::acquire`] hand out a [`Lease`] on one of
//! them; the lease's [outcome](Lease::finish) feeds breaker, metrics and balancer. Everything else happens by
//! itself: health checks, discovery, restarts, rests.
//!
//! # How it is built
//!
//! | part | it is |
//! | --- | --- |
//! | `slot`, `gate`, `rest`, `notes` | one instance under the engine |
//! | `registry`, `group`, `holders`, `bits` | all of them, indexed; read without a lock |
//! | `demand`, `pick`, `outlook` | from a requirement to an instance, or to whether waiting is worth it |
//! | `lease`, `learn`, `budget` | holding an instance, and what its use teaches |
//! | `hold` | keeping one over many requests, or for oneself |
//! | `queue` | who waits, and who is next |
//! | `lost` | what the hub says is gone |
//! | `population`, `health`, `refresh`, `starter`, `scale`, `alarm` | the loops |
//! | `prepare` | loading a model once for all who wait for it |
//! | `warm` | resources started ahead of need, for requests that say how one is to be started |
//! | `status`, `report`, `events` | what is shown |
//!
//! # Locks
//!
//! Choosing and releasing take none that is shared between instances, unless somebody waits in the queue. Where
//! locks nest, it is in the order queue, warm shelves or registry, one slot's. Events are published, and leases dropped, under none.

mod alarm;
mod bits;
mod budget;
mod call;
pub mod clock;
mod core;
mod demand;
pub mod events;
mod gate;
mod group;
mod health;
mod hold;
mod holders;
mod learn;
mod lease;
mod lost;
mod notes;
mod outlook;
mod pick;
mod population;
mod prepare;
mod queue;
mod refresh;
mod refusal;
mod registry;
mod report;
mod rest;
mod scale;
mod select;
mod shutdown;
mod slot;
mod starter;
mod status;
mod tried;
mod warm;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use plugin_api::contract::instance::ResourceInstance;
use plugin_api::contract::requirement::Requirement;
use plugin_api::host::{InstanceView, Selection};
use plugin_api::{Context, Error};
use serde_json::Value;
use tokio::time::Instant;

pub use self::clock::Clock;
use self::core::Core;
pub use self::events::{Event, EventId, EventSink, Followed, Follower};
pub use self::hold::{Hold, LossWatch, Reservation, Reserver};
pub use self::lease::{Lease, Preparation};
pub use self::notes::Note;
use self::pick::{Picked, pick};
pub use self::refusal::{MOST_REASONS, Refusal};
pub use self::report::{HubReport, InstanceReport, PoolMetrics};
pub use self::scale::Scaled;
pub use self::slot::State;
pub use self::status::InstanceStatus;
pub use self::tried::Tried;
use self::warm::Want;
pub use self::warm::{KeptWarm, ShelfStatus, WarmStatus};
use crate::config::settings::HubSettings;
use crate::plugin::driver::HubDriver;

/// One hub's instances under the engine. Cheap to clone; all clones are the same pool.
///
/// Its loops run on the runtime it was started on, until [`shutdown`](Self::shutdown).
#[derive(Debug, Clone)]
pub struct Pool {
    core: Arc<Core>,
}

/// Who asks for an instance.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The caller's name: callers share the queue fairly.
    pub principal: &'a str,
}

impl Pool {
    /// Starts a pool on the current tokio runtime: adopts the configured instances, discovers others, starts what
    /// is to be started. Returns at once; it does not matter whether any instance is alive.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(settings: HubSettings, driver: Arc<dyn HubDriver>, clock: Clock, events: EventSink) -> Pool {
        let runtime = tokio::runtime::Handle::current();
        let core = Arc::new(Core::new(settings, driver, clock, events, runtime));
        core.emit(events::kind::HUB_STARTED, None, Value::Null);
        core.spawn(core.clone().watch_the_clock());
        core.spawn(core.clone().populate());
        if core.warm.is_able() {
            core.spawn(core.clone().keep_warm());
        }
        core.scale(core.settings.start.len());
        Pool { core }
    }

    /// The hub's name.
    pub fn name(&self) -> &str {
        &self.core.settings.name
    }

    /// The kind of resource the hub provides.
    pub fn provides(&self) -> &str {
        &self.core.driver.manifest().provides
    }

    /// The runtime its loops run on.
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        &self.core.runtime
    }

    /// The hub's settings.
    pub fn settings(&self) -> &HubSettings {
        &self.core.settings
    }

    /// Holds an instance if one can be had at once. Takes no lock and allocates nothing, unless somebody waits in
    /// the queue: then those who wait are served first.
    ///
    /// Instances in `tried` are avoided while others remain.
    ///
    /// # Errors
    /// [`Refusal::AllBusy`] where [`acquire`](Self::acquire) would wait.
    pub fn try_acquire(
        &self,
        requirement: &Requirement,
        asker: &Asker<'_>,
        tried: &Tried,
    ) -> Result<Lease, Refusal> {
        let want = self.want(requirement, asker)?;
        if let Some(lease) = self.at_once(requirement, want.as_ref(), tried) {
            return lease;
        }
        let until = self.until(requirement, None);
        let outcome = if self.core.queue.waiting() == 0 {
            match &want {
                Some(want) => self.core.hopeless_warm(want, until),
                None => outlook::hopeless(&self.core, requirement, until),
            }
        } else {
            match self
                .core
                .line_up(requirement, asker.principal, tried, until, want, false)
            {
                Err(refusal) => Some(refusal),
                Ok(mut waiting) => match waiting.try_answer() {
                    Some(Ok(lease)) => return Ok(lease),
                    Some(Err(refusal)) => Some(refusal),
                    None => None,
                },
            }
        };
        Err(outcome.map_or(Refusal::AllBusy, |refusal| self.core.refused(refusal)))
    }

    /// Holds an instance, waiting in the queue if all that would do are busy, until `deadline` or the queue's own
    /// limit.
    ///
    /// Cancel safe: dropping the future leaves the queue, and an instance that was granted meanwhile goes to the
    /// next. Needs a tokio runtime with timers, not necessarily the pool's.
    ///
    /// # Errors
    /// Every [`Refusal`] but [`Refusal::AllBusy`].
    pub async fn acquire(
        &self,
        requirement: &Requirement,
        asker: &Asker<'_>,
        tried: &Tried,
        deadline: Option<Instant>,
    ) -> Result<Lease, Refusal> {
        let want = self.want(requirement, asker)?;
        if let Some(lease) = self.at_once(requirement, want.as_ref(), tried) {
            return lease;
        }
        let begun = self.core.clock.now();
        let until = self.until(requirement, deadline);
        let mut waiting = self
            .core
            .line_up(requirement, asker.principal, tried, until, want.clone(), true)
            .map_err(|refusal| self.core.refused(refusal))?;
        let answer = tokio::select! {
            biased;
            answer = waiting.answer() => answer,
            () = self.core.clock.sleep_until(until) => {
                let waited = self.core.clock.now().since(begun);
                Err(self.core.waited_in_vain(want.as_ref(), waited))
            }
        };
        answer.map_err(|refusal| self.core.refused(refusal))
    }

    #[inline]
    fn want(&self, requirement: &Requirement, asker: &Asker<'_>) -> Result<Option<Want>, Refusal> {
        self.core
            .want(requirement, asker.principal)
            .map_err(|refusal| self.core.refused(refusal))
    }

    /// The quick way, open while nobody waits. `None`: no instance at once, or others were there first.
    #[inline]
    fn at_once(
        &self,
        requirement: &Requirement,
        want: Option<&Want>,
        tried: &Tried,
    ) -> Option<Result<Lease, Refusal>> {
        if self.core.is_closed() {
            return Some(Err(self.core.refused(Refusal::Closed)));
        }
        if self.core.queue.waiting() > 0 {
            return None;
        }
        if let Some(want) = want {
            return Some(Ok(self.core.take_warm(want)?.hand_over(tried)));
        }
        match pick(&self.core, requirement, tried, 0) {
            Picked::Lease(lease) => Some(Ok(lease.hand_over(tried))),
            Picked::Busy | Picked::Nobody => None,
        }
    }

    fn until(
        &self,
        requirement: &Requirement,
        deadline: Option<Instant>,
    ) -> plugin_api::contract::time::Tick {
        let clock = &self.core.clock;
        let limit = requirement.queue_timeout.unwrap_or(self.core.patience());
        let until = clock.now().after(limit);
        deadline.map_or(until, |deadline| clock.tick(deadline.into_std()).min(until))
    }

    /// Does what [`Lease::preparation`] says, together with whoever waits for the same; at once where there is
    /// nothing to do. Afterwards the capability counts as loaded.
    ///
    /// Dropping the future cancels nothing: the work is the hub's own. The context's request is named in the logs.
    ///
    /// # Errors
    /// The hub's own, or it took too long.
    pub async fn prepare(
        &self,
        lease: &Lease,
        requirement: &Requirement,
        context: Context,
    ) -> Result<(), Error> {
        self.core.prepare(lease, requirement, &context).await
    }

    /// Takes a retry from the budget; `false` if it is used up.
    pub fn retry_allowed(&self) -> bool {
        let allowed = self.core.budget.withdraw(self.core.clock.now());
        match allowed {
            true => self.core.metrics.retried(),
            false => self.core.metrics.retry_denied(),
        }
        allowed
    }

    /// Every instance, as an operator sees it.
    pub fn instances(&self) -> Vec<InstanceStatus> {
        self.core
            .registry
            .all()
            .iter()
            .map(|slot| self.core.status(slot))
            .collect()
    }

    /// Every instance, as a plugin sees it: without secrets.
    pub fn view(&self) -> Vec<InstanceView> {
        self.core
            .registry
            .all()
            .iter()
            .map(|slot| self.core.view(slot))
            .collect()
    }

    /// Gives an instance no more requests; those in flight finish. Idempotent.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn drain(&self, id: &str) -> Result<(), Error> {
        let slot = self.core.named(id)?;
        if let Some(change) = slot.change(|condition| condition.cordoned = true) {
            self.core.state_changed(&slot, change);
            if slot.gate.read().in_flight == 0 {
                self.core.emptied(&slot);
            }
        }
        Ok(())
    }

    /// Takes a drained instance back into use. Idempotent.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn resume(&self, id: &str) -> Result<(), Error> {
        let slot = self.core.named(id)?;
        if let Some(change) = slot.change(|condition| condition.cordoned = false) {
            self.core.state_changed(&slot, change);
        }
        Ok(())
    }

    /// The instances that a selection names; of those that hold the capability, if one is given.
    ///
    /// # Errors
    /// It names an instance or a tag that does not exist.
    pub fn select(
        &self,
        selection: &Selection,
        capability: Option<&str>,
    ) -> Result<Vec<Arc<ResourceInstance>>, Error> {
        let slots = self.core.select(selection, capability)?;
        Ok(slots.iter().map(|slot| slot.instance.load_full()).collect())
    }

    /// Tells the engine what a verb has changed, so that nobody has to wait for the next probe. Unknown instances are
    /// ignored.
    pub fn note_capability(&self, id: &str, capability: &str, note: Note) {
        if let Some(slot) = self.core.registry.find(id) {
            self.core
                .registry
                .note(&slot, capability, note, self.core.clock.now());
            self.core.reconsider();
        }
    }

    /// Asks for a probe now, or as soon as the last is half a second old. Unknown instances are ignored.
    pub fn probe_now(&self, id: &str) {
        if let Some(slot) = self.core.registry.find(id) {
            slot.look.notify_one();
        }
    }

    /// Probes an instance and waits until what was found is known, so that whoever changed something sees it.
    /// Bounded by the probe's own time limit.
    pub async fn look(&self, id: &str) {
        if let Some(slot) = self.core.registry.find(id) {
            self.core.probe(&slot).await;
        }
    }

    /// How many requests wait in the queue.
    pub fn queue_depth(&self) -> usize {
        self.core.queue.waiting()
    }

    /// Metrics at this moment.
    pub fn metrics(&self) -> PoolMetrics {
        self.core.report()
    }

    /// Hands out nothing more, waits until the deadline for what is in flight, stops what the hub started, and ends
    /// the loops. Idempotent. Does not end the hub's plugin.
    pub async fn shutdown(&self, deadline: Instant) {
        self.core.clone().shut_down(deadline).await;
    }
}
