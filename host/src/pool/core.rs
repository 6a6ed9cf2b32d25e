//! The engine's insides, shared by the handle, the leases and the loops.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use plugin_api::contract::breaker::{BreakerPolicy, Transition};
use plugin_api::contract::health::HealthPolicy;
use plugin_api::contract::metrics::HubMetrics;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::alarm::Alarm;
use super::budget::Budget;
use super::clock::Clock;
use super::events::{EventSink, kind, status_change};
use super::prepare::Preparations;
use super::queue::Queue;
use super::registry::Registry;
use super::scale::Posts;
use super::slot::{Policies, Slot, StateChange};
use super::warm::Warm;
use crate::config::settings::HubSettings;
use crate::plugin::driver::HubDriver;

/// Everything a pool consists of.
pub(super) struct Core {
    pub(super) settings: HubSettings,
    pub(super) driver: Arc<dyn HubDriver>,
    pub(super) clock: Clock,
    pub(super) events: EventSink,
    pub(super) registry: Registry,
    pub(super) queue: Queue,
    pub(super) alarm: Arc<Alarm>,
    pub(super) budget: Budget,
    pub(super) metrics: HubMetrics,
    pub(super) preparations: Preparations,
    pub(super) warm: Warm,
    /// Where the loops and the hub's own work run, whoever asks for it.
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) tasks: TaskTracker,
    /// Those of them that start and restart resources.
    pub(super) starters: TaskTracker,
    /// What they start, by number.
    pub(super) posts: Mutex<Posts>,
    /// Nobody gets an instance any more. The token ends the loops; the flag is for requests, because asking the
    /// token takes a lock.
    pub(super) closed: CancellationToken,
    shut: AtomicBool,
    /// The configured instances have not been adopted yet, or the first discovery has not ended.
    booting: AtomicBool,
    /// The balancer's turns; one counter for the life of the pool.
    turns: AtomicU64,
}

impl fmt::Debug for Core {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("hub", &self.settings.name)
            .finish_non_exhaustive()
    }
}

impl Core {
    pub(super) fn new(
        settings: HubSettings,
        driver: Arc<dyn HubDriver>,
        clock: Clock,
        events: EventSink,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        let alarm = Arc::new(Alarm::default());
        let fetching = settings.acquire && driver.manifest().prepares.absent;
        Self {
            registry: Registry::new(
                policies(&settings),
                settings.max_concurrent,
                fetching,
                alarm.clone(),
            ),
            queue: Queue::new(settings.queue.size, settings.queue.timeout),
            budget: Budget::new(&settings.retry, clock.now()),
            metrics: HubMetrics::new(),
            preparations: Preparations::default(),
            warm: Warm::new(&settings.warm, driver.manifest().start.is_some()),
            tasks: TaskTracker::new(),
            starters: TaskTracker::new(),
            posts: Mutex::new(Posts::new(&settings.start)),
            closed: CancellationToken::new(),
            shut: AtomicBool::new(false),
            booting: AtomicBool::new(true),
            turns: AtomicU64::new(0),
            settings,
            driver,
            clock,
            events,
            alarm,
            runtime,
        }
    }

    /// The next turn of the balancer; the first is 1.
    #[inline]
    pub(super) fn turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How long a request waits that says nothing else.
    pub(super) fn patience(&self) -> Duration {
        self.settings.queue.timeout
    }

    /// The policies of its slots.
    pub(super) fn policies(&self) -> &Policies {
        self.registry.policies()
    }

    /// Whether nobody gets an instance any more.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.shut.load(Ordering::SeqCst)
    }

    /// From now on nobody gets an instance, and the loops end. Whether it was open until now.
    pub(super) fn close(&self) -> bool {
        let first = !self.shut.swap(true, Ordering::SeqCst);
        self.closed.cancel();
        first
    }

    /// Whether it is too early to say what there is.
    pub(super) fn is_booting(&self) -> bool {
        self.booting.load(Ordering::SeqCst)
    }

    /// What there is has been found out; what each of it can do may still take a probe.
    pub(super) fn booted(self: &Arc<Self>) {
        self.booting.store(false, Ordering::SeqCst);
        self.reconsider();
    }

    /// Runs the hub's own work, which no caller can cancel.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(work, &self.runtime);
    }

    /// Publishes. Not to be called under a lock.
    pub(super) fn emit(&self, kind: &'static str, slot: Option<&Slot>, data: Value) {
        self.events
            .emit(kind, &self.settings.name, slot.map(|slot| &*slot.id), data);
    }

    /// Publishes what happens too often to be logged, while somebody follows. Not to be called under a lock.
    pub(super) fn emit_to_followers(&self, kind: &'static str, slot: &Slot, data: impl FnOnce() -> Value) {
        self.events
            .emit_to_followers(kind, &self.settings.name, Some(&*slot.id), data);
    }

    /// An instance's state changed: publishes it, and tells those who wait. Not to be called under a lock.
    pub(super) fn state_changed(self: &Arc<Self>, slot: &Slot, change: StateChange) {
        let StateChange { old, new, reason } = change;
        self.emit(
            kind::STATUS_CHANGED,
            Some(slot),
            status_change(old.name(), new.name(), reason.as_deref()),
        );
        if slot.warm.is_some() {
            self.warm_changed(slot);
        }
        self.reconsider();
    }

    /// A breaker changed its state: counts and publishes it. Not to be called under a lock.
    #[cold]
    pub(super) fn breaker_changed(self: &Arc<Self>, slot: &Slot, transition: Transition) {
        slot.metrics.transition(&transition);
        match transition {
            Transition::Opened { until } => {
                self.alarm.set(until);
                let now = self.clock.now();
                let millis = u64::try_from(until.since(now).as_millis()).unwrap_or(u64::MAX);
                let data = json!({ "reason": slot.obstacle(now), "open_ms": millis });
                self.emit(kind::CIRCUIT_OPENED, Some(slot), data);
                self.reconsider();
            }
            Transition::HalfOpened => self.emit(kind::CIRCUIT_HALF_OPEN, Some(slot), Value::Null),
            Transition::Closed => {
                self.emit(kind::CIRCUIT_CLOSED, Some(slot), Value::Null);
                self.pump();
            }
        }
    }

    /// The last request of a draining instance has ended.
    pub(super) fn emptied(&self, slot: &Slot) {
        slot.emptied.notify_waiters();
        self.emit(kind::INSTANCE_DRAINED, Some(slot), Value::Null);
    }

    /// Opens whatever opens by itself, as its time comes, until the pool is shut down.
    pub(super) async fn watch_the_clock(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.closed.cancelled() => return,
                () = self.alarm.ring(self.clock) => {}
            }
            let now = self.clock.now();
            self.registry.tidy(now);
            for slot in self.registry.all() {
                slot.reopen(now);
                if let Some(at) = slot.alarm() {
                    self.alarm.set(at);
                }
            }
            self.pump();
        }
    }
}

fn policies(settings: &HubSettings) -> Policies {
    let (breaker, health) = (&settings.breaker, &settings.health);
    Policies {
        breaker: BreakerPolicy {
            failure_threshold: breaker.failure_threshold,
            error_rate: breaker.error_rate,
            minimum_requests: breaker.minimum_requests,
            window: breaker.window,
            recovery_timeout: breaker.recovery_timeout,
            max_recovery_timeout: breaker.max_recovery_timeout,
            half_open_requests: breaker.half_open_requests,
            success_threshold: breaker.success_threshold,
        },
        health: HealthPolicy {
            interval: health.interval,
            degraded_after: health.degraded_after,
            unhealthy_after: health.unhealthy_after,
            max_interval: health.max_interval,
        },
    }
}
