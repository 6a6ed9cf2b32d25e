//! A slot: one instance under the engine.

mod facts;
mod obstacle;
mod pace;
mod phase;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use plugin_api::contract::balance::{Reach, View, key_hash};
use plugin_api::contract::breaker::{Breaker, BreakerPolicy, Permit, Transition};
use plugin_api::contract::health::{HealthMonitor, HealthPolicy, Observation};
use plugin_api::contract::instance::{Origin, ResourceInstance};
use plugin_api::contract::metrics::InstanceMetrics;
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::time::Tick;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(super) use facts::Facts;
pub(super) use pace::Pace;
pub use phase::State;
pub(super) use phase::{Condition, Leaving, Phase};

pub(super) use self::obstacle::RESERVED;
use self::obstacle::Trouble;
use super::gate::{Closed, Gate};
use super::hold::Reserver;
use super::notes::Notes;
use super::rest::Rest;
use super::warm::Specification;

/// One instance under the engine. What a request touches is atomic; what changes seldom has its own small lock,
/// which nobody holds while taking another.
///
/// The order of the fields is kept: all that the balancer reads of a candidate is in the first cache line, and in
/// a fleet of thousands it is cache misses that a choice costs.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Slot {
    pub(super) gate: Gate,
    /// Its place in the registry's sets. Used again once it is gone.
    pub(super) place: usize,
    /// Unique among all registrations of the process, and never used again.
    pub(super) key: u64,
    /// The balancer's turn in which it was last used.
    turn: AtomicU64,
    /// Used after healthy ones. Follows the condition.
    degraded: AtomicBool,
    /// When it last answered a request, in nanoseconds.
    progress: AtomicU64,
    pub(super) metrics: InstanceMetrics,
    pub(super) breaker: Breaker,
    /// How long it is held for a request, for estimates.
    pub(super) pace: Pace,
    pub(super) id: Arc<str>,
    pub(super) id_hash: u64,
    /// What the hub says of it. Written under the registry's lock.
    pub(super) instance: ArcSwap<ResourceInstance>,
    pub(super) condition: Mutex<Condition>,
    pub(super) facts: Mutex<Facts>,
    pub(super) notes: Mutex<Notes>,
    rest: Mutex<Rest>,
    /// It was given a rest since its last success; spares successes the lock.
    weary: AtomicBool,
    /// What the breaker opened for.
    trouble: Mutex<Option<Trouble>>,
    /// How often it was lost (declared unhealthy, stopped, removed), for requests that hold it.
    losses: AtomicU64,
    lost: Notify,
    /// Asks for a probe now.
    pub(super) look: Notify,
    /// Somebody waits for its last request to end, or for the last but his own.
    pub(super) emptied: Notify,
    /// How many of those in flight are [holds](super::hold::Hold).
    pub(super) holds: AtomicU32,
    /// Who has it for himself.
    pub(super) reserved: Mutex<Option<Reserver>>,
    /// Ends its loops.
    pub(super) retired: CancellationToken,
    /// What it was started with, where it is one of the warm pool's: then no ordinary request gets it.
    pub(super) warm: Option<Arc<Specification>>,
}

/// The policies of a hub, which each of its slots is made with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policies {
    pub(super) breaker: BreakerPolicy,
    pub(super) health: HealthPolicy,
}

impl Slot {
    pub(super) fn new(
        key: u64,
        place: usize,
        instance: ResourceInstance,
        phase: Phase,
        policies: &Policies,
        now: Tick,
    ) -> Self {
        let slot = Self {
            key,
            place,
            id: instance.id.as_str().into(),
            id_hash: key_hash(&instance.id),
            gate: Gate::new(Closed::STARTING, None),
            breaker: Breaker::new(policies.breaker),
            metrics: InstanceMetrics::new(),
            pace: Pace::default(),
            turn: AtomicU64::new(0),
            degraded: AtomicBool::new(false),
            progress: AtomicU64::new(0),
            instance: ArcSwap::from_pointee(instance),
            condition: Mutex::new(Condition {
                health: HealthMonitor::new(policies.health, now),
                phase,
                known: false,
                cordoned: false,
                leaving: None,
                life: 0,
            }),
            facts: Mutex::default(),
            notes: Mutex::default(),
            rest: Mutex::default(),
            weary: AtomicBool::new(false),
            trouble: Mutex::default(),
            losses: AtomicU64::new(0),
            lost: Notify::new(),
            look: Notify::new(),
            emptied: Notify::new(),
            holds: AtomicU32::new(0),
            reserved: Mutex::default(),
            retired: CancellationToken::new(),
            warm: None,
        };
        slot.apply(&slot.condition.lock());
        slot
    }

    /// The same as one of the warm pool's: its start has ended, so it is well.
    pub(super) fn warm(mut self, specification: Arc<Specification>, now: Tick) -> Self {
        self.warm = Some(specification);
        self.change(|condition| {
            condition.known = true;
            condition
                .health
                .observe(Observation::Healthy, now, fastrand::f64());
        });
        self
    }

    /// How the balancer sees it, or `None` if it must not be used. Its latency is left out where the strategy does
    /// not ask for it.
    #[inline]
    pub(super) fn view(&self, reach: Reach, latency: bool, now: Tick) -> Option<View> {
        let reading = self.gate.read();
        reading.closed.is_open().then(|| View {
            in_flight: reading.in_flight,
            capacity: (reading.limit != u32::MAX).then_some(reading.limit),
            degraded: self.degraded.load(Ordering::Relaxed),
            reach,
            error_rate: self.metrics.error_rate.get(now),
            latency: if latency {
                self.metrics.recent_latency.get(now)
            } else {
                None
            },
            last_turn: self.turn.load(Ordering::Relaxed),
        })
    }

    /// Lets a request in. The transition is to be published once no lock is held.
    #[inline]
    pub(super) fn enter(&self, turn: u64, now: Tick) -> Option<(Permit, Option<Transition>)> {
        self.gate.enter()?;
        match self.breaker.admit(now) {
            Some(admission) => {
                if admission.permit.is_trial() {
                    self.mirror_breaker(now);
                }
                self.turn.store(turn, Ordering::Relaxed);
                Some((admission.permit, admission.transition))
            }
            None => {
                self.mirror_breaker(now);
                self.gate.leave();
                None
            }
        }
    }

    /// A request ended like this, not counting it out yet. Answers the breaker's transition.
    #[inline]
    pub(super) fn settle(&self, permit: Permit, outcome: Outcome, now: Tick) -> Option<Transition> {
        let trial = permit.is_trial();
        let failures = match outcome.is_instance_failure() {
            true => self.breaker.status(now).consecutive_failures + 1,
            false => 0,
        };
        let transition = self.breaker.settle(permit, outcome, now, fastrand::f64());
        if transition.is_some() || trial {
            if matches!(transition, Some(Transition::Opened { .. })) {
                *self.trouble.lock() = Some(Trouble {
                    failures,
                    last: outcome,
                });
            }
            self.mirror_breaker(now);
        }
        transition
    }

    /// Makes the gate agree with the breaker. The breaker is asked again after each change, so that of several
    /// threads the last to change also corrects.
    pub(super) fn mirror_breaker(&self, now: Tick) {
        loop {
            let permits = self.breaker.permits(now);
            self.gate.set(Closed::BREAKER, !permits);
            if self.breaker.permits(now) == permits {
                return;
            }
        }
    }

    /// It has answered a request, or begun to.
    #[inline]
    pub(super) fn progressed(&self, now: Tick) {
        self.progress.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Whether it has answered a request since then.
    pub(super) fn progressed_since(&self, then: Tick) -> bool {
        self.progress.load(Ordering::Relaxed) > then.as_nanos()
    }

    /// It said "not now" to a request sent at `sent`: until when it rests.
    pub(super) fn rest(&self, sent: Tick, now: Tick, asked: Option<Duration>) -> Tick {
        let mut rest = self.rest.lock();
        let until = rest.busy(sent, now, asked);
        self.weary.store(true, Ordering::Relaxed);
        if until > now {
            self.gate.close(Closed::RESTING);
        }
        until
    }

    /// It took a request.
    #[inline]
    pub(super) fn relieved(&self) {
        if self.weary.load(Ordering::Relaxed) {
            let mut rest = self.rest.lock();
            rest.relieved();
            self.weary.store(false, Ordering::Relaxed);
        }
    }

    /// Opens it again where the time of a rest or of the breaker is over. Whether anything changed.
    pub(super) fn reopen(&self, now: Tick) -> bool {
        let closed = self.gate.read().closed;
        let mut changed = false;
        if closed.has(Closed::RESTING) {
            let rest = self.rest.lock();
            changed |= rest.until() <= now && self.gate.open(Closed::RESTING);
        }
        if closed.has(Closed::BREAKER) {
            self.mirror_breaker(now);
            changed |= !self.gate.read().closed.has(Closed::BREAKER);
        }
        changed
    }

    /// When a rest or the breaker lets requests in again, where that is only a matter of time. Half-open with
    /// all its trials under way is "now": one of them will end.
    pub(super) fn opens_at(&self, now: Tick) -> Option<Tick> {
        let closed = self.gate.read().closed;
        if !closed.only(&[Closed::RESTING, Closed::BREAKER]) {
            return None;
        }
        let rest = closed.has(Closed::RESTING).then(|| self.rest.lock().until());
        let breaker = closed
            .has(Closed::BREAKER)
            .then(|| self.breaker.retry_at().unwrap_or(now));
        rest.max(breaker).map(|at| at.max(now))
    }

    /// When the alarm has to ring for it.
    pub(super) fn alarm(&self) -> Option<Tick> {
        let closed = self.gate.read().closed;
        let rest = closed.has(Closed::RESTING).then(|| self.rest.lock().until());
        let breaker = if closed.has(Closed::BREAKER) {
            self.breaker.retry_at()
        } else {
            None
        };
        [rest, breaker].into_iter().flatten().min()
    }

    /// Changes the condition and everything that follows from it. Answers old and new state where they differ.
    pub(super) fn change(&self, change: impl FnOnce(&mut Condition)) -> Option<StateChange> {
        let mut condition = self.condition.lock();
        let old = condition.state();
        change(&mut condition);
        let new = condition.state();
        self.apply(&condition);
        (old != new).then(|| StateChange {
            old,
            new,
            reason: condition.reason(),
        })
    }

    fn apply(&self, condition: &Condition) {
        let mut lost = false;
        for (reason, holds) in condition.closures() {
            let news = self.gate.set(reason, holds);
            lost |= news && holds && matches!(reason, Closed::UNHEALTHY | Closed::STOPPED);
        }
        self.degraded
            .store(condition.state() == State::Degraded, Ordering::Relaxed);
        if lost {
            self.lose();
        }
    }

    /// Tells requests that hold it that they had better look elsewhere.
    pub(super) fn lose(&self) {
        self.losses.fetch_add(1, Ordering::SeqCst);
        self.lost.notify_waiters();
    }

    /// How often it was lost so far.
    #[inline]
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::SeqCst)
    }

    /// Resolves when it was lost more often than `before`. Cancel safe.
    pub(super) async fn lost_since(&self, before: u64) {
        loop {
            let notified = self.lost.notified();
            if self.losses() != before {
                return;
            }
            notified.await;
        }
    }

    /// Resolves when nothing is in flight. Cancel safe.
    pub(super) async fn empty(&self) {
        loop {
            let notified = self.emptied.notified();
            if self.gate.read().in_flight == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Whether somebody has looked at it, or has tried to.
    pub(super) fn looked_at(&self) -> bool {
        let condition = self.condition.lock();
        match condition.phase {
            Phase::Starting => false,
            Phase::Serving => condition.health.last_probe().is_some(),
            Phase::Stopping | Phase::Stopped | Phase::Failed(_) => true,
        }
    }

    /// How the hub came by it.
    pub(super) fn origin(&self) -> Origin {
        self.instance.load().origin
    }
}

/// A change of state, to be published once no lock is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StateChange {
    pub(super) old: State,
    pub(super) new: State,
    pub(super) reason: Option<String>,
}
