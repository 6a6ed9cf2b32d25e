//! Events: what happened in a pool, for whoever follows it.

use std::fmt;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;

/// Something that happened in a pool.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// What happened; see [`kind`].
    pub kind: &'static str,
    /// The hub it happened in.
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
    /// A request has got a resource of a warm pool: `{specification, uses, warm}`.
    pub const LEASE_GRANTED: &str = "lease_granted";
    /// Its use has ended: `{specification, uses, outcome}`.
    pub const LEASE_RELEASED: &str = "lease_released";
    /// There is a new resource in a warm pool: `{specification, label, took_ms}`.
    pub const RESOURCE_STARTED: &str = "resource_started";
    /// A resource of a warm pool is thrown away: `{specification, reason, detail, uses}`.
    pub const RESOURCE_DISCARDED: &str = "resource_discarded";
}

/// Where events go. Cheap to clone; shared by all pools of a host.
///
/// Sending never blocks and never calls back: followers have their own tasks, so one that asks the pool a
/// question in answer to an event cannot dead-lock it. A follower that is too slow loses the oldest and is told.
#[derive(Clone)]
pub struct EventSink {
    sender: broadcast::Sender<Event>,
}

impl fmt::Debug for EventSink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EventSink")
    }
}

impl Default for EventSink {
    fn default() -> Self {
        Self::new(1024)
    }
}

impl EventSink {
    /// A sink that keeps this many events for slow followers.
    pub fn new(capacity: usize) -> Self {
        Self {
            sender: broadcast::channel(capacity.max(1)).0,
        }
    }

    /// Everything that happens from now on.
    pub fn follow(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// Tells the followers what happens with every request, if there are any. Must not be called under a lock.
    pub fn emit_often(
        &self,
        kind: &'static str,
        hub: &str,
        instance: Option<&str>,
        data: impl FnOnce() -> Value,
    ) {
        if self.sender.receiver_count() > 0 {
            let data = data();
            tracing::debug!(kind, hub, instance, %data, "event");
            self.send(kind, hub, instance, data);
        }
    }

    /// Tells the followers. Must not be called under a lock.
    pub fn emit(&self, kind: &'static str, hub: &str, instance: Option<&str>, data: Value) {
        tracing::info!(kind, hub, instance, %data, "event");
        self.send(kind, hub, instance, data);
    }

    fn send(&self, kind: &'static str, hub: &str, instance: Option<&str>, data: Value) {
        // An error only says that nobody follows.
        let _ = self.sender.send(Event {
            kind,
            hub: hub.to_owned(),
            instance: instance.map(str::to_owned),
            data,
            at: SystemTime::now(),
        });
    }
}

/// The data of [`kind::STATUS_CHANGED`].
pub(super) fn status_change(old: &str, new: &str, reason: Option<&str>) -> Value {
    json!({ "old": old, "new": new, "reason": reason })
}
