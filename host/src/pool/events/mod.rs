//! Events: what happened, for whoever follows it.
//!
//! The last few thousand are kept, and each follower has a place among them. So one that comes back after its
//! connection broke misses nothing, one that is too slow is told how much it lost, and nobody who follows costs
//! anybody who does not more than the memory of what is kept.

mod follow;
mod id;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

pub use follow::{Followed, Follower};
pub use id::EventId;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Its number; followers name it to go on from there.
    pub id: EventId,
    /// What happened; see [`kind`].
    pub kind: &'static str,
    /// The hub it happened in; empty where it is about several.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub hub: String,
    /// The instance it happened to, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub data: Value,
    /// When, by the wall clock.
    #[serde(serialize_with = "rfc3339")]
    pub at: SystemTime,
}

fn rfc3339<S: serde::Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*at))
}

/// The kinds of events, by the names that followers see.
pub mod kind {
    /// A plugin has something to tell.
    pub const PLUGIN: &str = "plugin";
    /// A hub's pool began its work.
    pub const HUB_STARTED: &str = "hub_started";
    /// A hub's pool ended its work.
    pub const HUB_STOPPED: &str = "hub_stopped";
    /// There is a new instance.
    pub const INSTANCE_REGISTERED: &str = "instance_registered";
    /// An instance is gone.
    pub const INSTANCE_UNREGISTERED: &str = "instance_unregistered";
    /// An instance's state changed: `{old, new, reason}`.
    pub const STATUS_CHANGED: &str = "status_changed";
    /// A breaker opened: `{reason, open_ms}`.
    pub const CIRCUIT_OPENED: &str = "circuit_opened";
    /// A breaker lets its first requests through again.
    pub const CIRCUIT_HALF_OPEN: &str = "circuit_half_open";
    /// A breaker closed.
    pub const CIRCUIT_CLOSED: &str = "circuit_closed";
    /// An instance that the hub had started runs again after a restart.
    pub const INSTANCE_RECOVERED: &str = "instance_recovered";
    /// A start or restart failed: `{attempt, reason, retry_ms}`.
    pub const RECOVERY_FAILED: &str = "recovery_failed";
    /// A draining instance has finished its last request.
    pub const INSTANCE_DRAINED: &str = "instance_drained";
    /// A hub was added while the host runs: `{plugin, kind}`.
    pub const HUB_ADDED: &str = "hub_added";
    /// A hub was removed while the host runs: `{cut_short}`.
    pub const HUB_REMOVED: &str = "hub_removed";
    /// A hub was scaled: `{warm}` or `{started}`.
    pub const HUB_SCALED: &str = "hub_scaled";
    /// An allocation has got an instance, `{allocation, principal, exclusive}`, or a request a resource of a warm pool,
    /// `{specification, uses, warm}`. Only told while somebody follows.
    pub const LEASE_GRANTED: &str = "lease_granted";
    /// That has ended: `{allocation, principal}`, or `{specification, uses, outcome}`. Only told while somebody follows.
    pub const LEASE_RELEASED: &str = "lease_released";
    /// There is a new resource in a warm pool: `{specification, label, took_ms}`.
    pub const RESOURCE_STARTED: &str = "resource_started";
    /// A resource of a warm pool is thrown away: `{specification, reason, detail, uses}`.
    pub const RESOURCE_DISCARDED: &str = "resource_discarded";
    /// Somebody allocated resources: `{allocation, principal, hubs, resources, expires_in_ms}`.
    pub const ALLOCATION_CREATED: &str = "allocation_created";
    /// An allocation lasts longer: `{allocation, principal, hubs, expires_in_ms}`.
    pub const ALLOCATION_RENEWED: &str = "allocation_renewed";
    /// Its time was over: `{allocation, principal, hubs}`.
    pub const ALLOCATION_EXPIRED: &str = "allocation_expired";
    /// It was given back: `{allocation, principal, hubs, by}`.
    pub const ALLOCATION_RELEASED: &str = "allocation_released";
    /// An allocated instance was lost: `{allocation, principal, reason}`.
    pub const ALLOCATION_LOST: &str = "allocation_lost";
    /// A request for an allocation came to nothing: `{principal, reason}`.
    pub const ALLOCATION_FAILED: &str = "allocation_failed";

    /// All of them.
    pub const ALL: [&str; 25] = [
        PLUGIN,
        HUB_STARTED,
        HUB_STOPPED,
        INSTANCE_REGISTERED,
        INSTANCE_UNREGISTERED,
        STATUS_CHANGED,
        CIRCUIT_OPENED,
        CIRCUIT_HALF_OPEN,
        CIRCUIT_CLOSED,
        INSTANCE_RECOVERED,
        RECOVERY_FAILED,
        INSTANCE_DRAINED,
        HUB_ADDED,
        HUB_REMOVED,
        HUB_SCALED,
        LEASE_GRANTED,
        LEASE_RELEASED,
        RESOURCE_STARTED,
        RESOURCE_DISCARDED,
        ALLOCATION_CREATED,
        ALLOCATION_RENEWED,
        ALLOCATION_EXPIRED,
        ALLOCATION_RELEASED,
        ALLOCATION_LOST,
        ALLOCATION_FAILED,
    ];
}

impl Event {
    /// Whether it is about this hub, be it one of several.
    pub fn is_about(&self, hub: &str) -> bool {
        let among = || self.data["hubs"].as_array().into_iter().flatten();
        self.hub == hub || among().any(|other| other == hub)
    }
}

/// How many events are kept.
const KEPT: usize = 4096;

/// Where events go. Cheap to clone; shared by all pools of a host.
///
/// Sending never blocks and never calls back: followers have their own tasks, so one that asks the pool a
/// question in answer to an event cannot dead-lock it. A follower that is too slow loses the oldest and is told.
#[derive(Clone)]
pub struct EventSink {
    shared: Arc<Shared>,
}

struct Shared {
    window: Mutex<Window>,
    capacity: usize,
    /// Tells this life of the host from others.
    life: u32,
    /// Wakes followers.
    told: Notify,
    followers: AtomicUsize,
}

/// The events that are kept. Nothing is called while it is locked.
#[derive(Default)]
struct Window {
    events: VecDeque<Arc<Event>>,
    /// The number of the next one; the first is 1.
    next: u64,
}

impl Window {
    /// The number of the oldest that is kept, or of the next where none is.
    fn oldest(&self) -> u64 {
        self.next - self.events.len() as u64
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EventSink")
    }
}

impl Default for EventSink {
    fn default() -> Self {
        Self::new(KEPT)
    }
}

impl EventSink {
    /// A sink that keeps this many events for followers that are slow or come back.
    pub fn new(capacity: usize) -> Self {
        let shared = Shared {
            window: Mutex::new(Window {
                events: VecDeque::new(),
                next: 1,
            }),
            capacity: capacity.max(1),
            life: fastrand::u32(1..),
            told: Notify::new(),
            followers: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Everything that happens from now on.
    pub fn follow(&self) -> Follower {
        let next = self.shared.window.lock().next;
        Follower::new(self.shared.clone(), next, false)
    }

    /// Everything that happened after this one, as far as it is kept, and from now on. What is not kept any more, or
    /// is of another life of the host, is told as lost.
    pub fn follow_after(&self, last: EventId) -> Follower {
        let window = self.shared.window.lock();
        let ours = last.life == self.shared.life && last.number < window.next;
        let next = if ours { last.number + 1 } else { window.oldest() };
        drop(window);
        Follower::new(self.shared.clone(), next, !ours)
    }

    /// Whether anybody follows: then it is worth telling what happens all the time.
    #[inline]
    pub fn is_followed(&self) -> bool {
        self.shared.followers.load(Ordering::Relaxed) > 0
    }

    /// Tells the followers. Must not be called under a lock.
    pub fn emit(&self, kind: &'static str, hub: &str, instance: Option<&str>, data: Value) {
        tracing::info!(kind, hub, instance, %data, "event");
        self.tell(kind, hub, instance, data);
    }

    /// Tells the followers, if there are any, what happens too often to be logged or kept for nobody.
    pub fn emit_to_followers(
        &self,
        kind: &'static str,
        hub: &str,
        instance: Option<&str>,
        data: impl FnOnce() -> Value,
    ) {
        if self.is_followed() {
            self.tell(kind, hub, instance, data());
        }
    }

    fn tell(&self, kind: &'static str, hub: &str, instance: Option<&str>, data: Value) {
        let (hub, instance) = (hub.to_owned(), instance.map(str::to_owned));
        let forgotten = {
            let mut window = self.shared.window.lock();
            let id = EventId {
                life: self.shared.life,
                number: window.next,
            };
            window.next += 1;
            window.events.push_back(Arc::new(Event {
                id,
                kind,
                hub,
                instance,
                data,
                at: SystemTime::now(),
            }));
            (window.events.len() > self.shared.capacity)
                .then(|| window.events.pop_front())
                .flatten()
        };
        drop(forgotten);
        self.shared.told.notify_waiters();
    }
}

/// The data of [`kind::STATUS_CHANGED`].
pub(super) fn status_change(old: &str, new: &str, reason: Option<&str>) -> Value {
    json!({ "old": old, "new": new, "reason": reason })
}

#[cfg(test)]
mod tests;
