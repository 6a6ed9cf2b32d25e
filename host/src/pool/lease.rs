//! Leases: an instance held for one request.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plugin_api::contract::breaker::{Permit, Transition};
use plugin_api::contract::instance::ResourceInstance;
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::time::Tick;

use super::core::Core;
use super::gate::Closed;
use super::learn::Lesson;
use super::slot::Slot;
use super::tried::Tried;
use super::warm::Held;

/// An instance held for one request. Dropping it releases it as [`Outcome::Cancelled`].
///
/// It cannot be released twice, because releasing consumes it, nor forgotten, because dropping is enough. May be
/// moved between threads and runtimes.
pub struct Lease {
    core: Arc<Core>,
    slot: Arc<Slot>,
    instance: Arc<ResourceInstance>,
    /// `Some` until it is released.
    permit: Option<Permit>,
    /// The breaker's transition that letting this request in caused; published when the lease is handed over.
    transition: Option<Transition>,
    errand: Option<Errand>,
    /// The resource, where it is one of the warm pool's.
    resource: Option<Box<Held>>,
    losses: u64,
    started: Tick,
    queued: Duration,
    /// Nanoseconds from the start to the first byte; zero before that.
    first_byte: AtomicU64,
    /// Its request has it. Until then it is nobody's, and leaves no trace in the metrics if it comes to nothing.
    handed_over: bool,
    /// Its request has paid into the retry budget.
    paid: bool,
}

/// What is left of a lease that is no request any more.
#[derive(Debug)]
pub(super) struct Detached {
    pub(super) core: Arc<Core>,
    pub(super) slot: Arc<Slot>,
    pub(super) instance: Arc<ResourceInstance>,
    pub(super) queued: Duration,
    pub(super) resource: Option<Box<Held>>,
}

/// The capability a lease was taken for.
#[derive(Debug)]
pub(super) struct Errand {
    /// Normalised.
    pub(super) name: Arc<str>,
    pub(super) preparation: Option<Preparation>,
    /// How it will be loaded once the request has succeeded, where it is not so already.
    pub(super) brings: Option<BTreeMap<String, i64>>,
}

/// What has to be done before the instance can serve the request; see [`Pool::prepare`](super::Pool::prepare).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preparation {
    /// The capability is there and has to be brought in (a model loaded).
    Stored,
    /// The capability has to be fetched first (a model pulled), as the operator allows.
    Absent,
}

impl fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lease")
            .field("instance", &self.instance.id)
            .field("key", &self.slot.key)
            .field("errand", &self.errand)
            .finish_non_exhaustive()
    }
}

impl Lease {
    pub(super) fn new(
        core: Arc<Core>,
        slot: Arc<Slot>,
        permit: Permit,
        transition: Option<Transition>,
        errand: Option<Errand>,
        losses: u64,
        now: Tick,
    ) -> Self {
        Self {
            instance: slot.instance.load_full(),
            core,
            slot,
            permit: Some(permit),
            transition,
            errand,
            resource: None,
            losses,
            started: now,
            queued: Duration::ZERO,
            first_byte: AtomicU64::new(0),
            handed_over: false,
            paid: false,
        }
    }

    /// The same, on a resource of the warm pool.
    pub(super) fn with_resource(mut self, held: Box<Held>) -> Self {
        self.resource = Some(held);
        self
    }

    /// Its request has it now. Not to be called under a lock: it publishes.
    #[inline]
    pub(super) fn hand_over(mut self, tried: &Tried) -> Self {
        self.handed_over = true;
        if tried.is_empty() {
            self.paid = true;
            self.core.budget.deposit();
        }
        if let Some(transition) = self.transition.take() {
            self.core.breaker_changed(&self.slot, transition);
        }
        if let Some(held) = &mut self.resource {
            self.core.granted_warm(held);
        }
        self
    }

    /// It was waited for this long, until `now`.
    pub(super) fn waited(&mut self, queued: Duration, now: Tick) {
        self.queued = queued;
        self.started = now;
    }

    /// The instance, as the hub described it when the lease was taken.
    pub fn instance(&self) -> &Arc<ResourceInstance> {
        &self.instance
    }

    /// The hub it belongs to.
    pub fn hub(&self) -> &str {
        &self.core.settings.name
    }

    /// The instance's registration: unique in the process and never used again, so that connections can be kept
    /// by it.
    pub fn key(&self) -> u64 {
        self.slot.key
    }

    /// How long the request waited in the queue.
    pub fn queued(&self) -> Duration {
        self.queued
    }

    /// For a resource of the warm pool: how often it has been used, this time included. Zero for all others.
    pub fn uses(&self) -> u32 {
        self.resource.as_ref().map_or(0, |held| held.uses())
    }

    /// What has to be done before the instance can serve the request.
    pub fn preparation(&self) -> Option<Preparation> {
        self.errand.as_ref()?.preparation
    }

    /// The first byte of the answer has come. Only the first call counts.
    pub fn first_byte(&self) {
        let now = self.core.clock.now();
        let after = now.since(self.started);
        let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX).max(1);
        if self
            .first_byte
            .compare_exchange(0, nanos, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            self.slot.metrics.first_byte(after, now);
            self.slot.progressed(now);
        }
    }

    /// Resolves when the instance is declared unhealthy, stopped or removed while the lease is held. Before the first
    /// byte that is the moment to move on. Cancel safe.
    pub async fn lost(&self) {
        self.slot.lost_since(self.losses).await;
    }

    /// Releases it and says how it went. What follows from that (breaker, rest, metrics, the next in the queue) has
    /// happened when this returns.
    pub fn finish(mut self, outcome: Outcome) {
        self.release(outcome);
    }

    /// Releases what was only an offer, taken back before its request had any use of it: it leaves no trace in the
    /// metrics, the retry budget or what is known of the instance.
    pub fn unused(mut self) {
        if std::mem::take(&mut self.handed_over) && self.paid {
            self.core.budget.take_back();
        }
        if let Some(held) = &mut self.resource {
            held.ungrant();
        }
        self.release(Outcome::Cancelled);
    }

    /// Releases it without waking anybody: for the queue, which is looking for somebody else already.
    pub(super) fn give_back(mut self) {
        self.vacate(Outcome::Cancelled);
    }

    /// Ends it as a request without letting go of its place: whoever takes it apart has to let it
    /// [leave](Core::left). A trial of the breaker's is given back, and nothing is learnt.
    pub(super) fn detach(mut self) -> Detached {
        if let Some(permit) = self.permit.take() {
            let transition = self
                .slot
                .settle(permit, Outcome::Cancelled, self.core.clock.now());
            for transition in [self.transition.take(), transition].into_iter().flatten() {
                self.core.breaker_changed(&self.slot, transition);
            }
        }
        Detached {
            core: self.core.clone(),
            slot: self.slot.clone(),
            instance: self.instance.clone(),
            queued: self.queued,
            resource: self.resource.take(),
        }
    }

    /// The pool it is from.
    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// How often its instance had been lost when it was taken.
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }

    /// The slot it holds.
    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// What it was taken for.
    pub(super) fn errand(&self) -> Option<&Errand> {
        self.errand.as_ref()
    }

    fn release(&mut self, outcome: Outcome) {
        if self.permit.is_some() {
            self.vacate(outcome);
            self.core.pump();
        }
    }

    /// Lets the request out of the slot. Whoever is woken by that finds everything learnt already; what is
    /// published comes after. Does nothing the second time.
    fn vacate(&mut self, outcome: Outcome) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        let now = self.core.clock.now();
        let transition = self.slot.settle(permit, outcome, now);
        let mut change = None;
        if self.handed_over {
            let after = now.since(self.started);
            let had_first_byte = self.first_byte.load(Ordering::Relaxed) != 0;
            self.slot.metrics.finish(outcome, after, had_first_byte, now);
            self.slot.pace.record(after);
            let lesson = Lesson {
                outcome,
                sent: self.started,
                errand: self.errand.as_ref(),
            };
            change = self.core.learn(&self.slot, &lesson, now);
        }
        let left = self.slot.gate.leave();
        if left.closed.has(Closed::ALLOCATED) {
            self.slot.emptied.notify_waiters();
        }
        for transition in [self.transition.take(), transition].into_iter().flatten() {
            self.core.breaker_changed(&self.slot, transition);
        }
        if let Some(change) = change {
            self.core.state_changed(&self.slot, change);
        }
        if left.in_flight == 0 && left.leaving() {
            self.core.emptied(&self.slot);
        }
        if let Some(held) = self.resource.take() {
            self.core.take_back_warm(*held, outcome, self.handed_over);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.release(Outcome::Cancelled);
    }
}
