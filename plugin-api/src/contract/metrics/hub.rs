//! What a hub has done, beyond what its instances have.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::instance::InstanceSnapshot;
use super::latency::{LatencyHistogram, LatencySnapshot};

/// Why a request got no instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// No instance ever had what it asked for.
    Unknown,
    /// No instance could be used.
    NoneRoutable,
    /// The queue was full.
    QueueFull,
    /// It waited as long as it may.
    QueueTimeout,
    /// The hub is closing.
    Closed,
}

/// The counters of one hub. Shared by reference; only [`retire`](Self::retire) and [`snapshot`](Self::snapshot)
/// lock, and no request calls either.
#[derive(Debug, Default)]
pub struct HubMetrics {
    queue_wait: LatencyHistogram,
    retries: AtomicU64,
    retries_denied: AtomicU64,
    preparations: AtomicU64,
    refused: [AtomicU64; 5],
    /// Totals of instances that are gone, so that the hub's counters never fall.
    retired: Mutex<InstanceSnapshot>,
}

impl HubMetrics {
    /// All zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// A request that had to wait got its instance.
    pub fn waited(&self, duration: Duration) {
        self.queue_wait.record(duration);
    }

    /// A request is sent again.
    pub fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// A request would have been sent again, but the budget was used up.
    pub fn retry_denied(&self) {
        self.retries_denied.fetch_add(1, Ordering::Relaxed);
    }

    /// A capability was brought in (a model loaded or fetched).
    pub fn prepared(&self) {
        self.preparations.fetch_add(1, Ordering::Relaxed);
    }

    /// A request got no instance.
    pub fn refused(&self, why: Refused) {
        self.refused[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps the totals of an instance that goes away. Call it once, when nothing is in flight there.
    pub fn retire(&self, instance: &InstanceSnapshot) {
        self.retired
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .merge(instance);
    }

    /// The values now, together with those of its present instances.
    pub fn snapshot<'a>(&self, instances: impl IntoIterator<Item = &'a InstanceSnapshot>) -> HubSnapshot {
        let mut total = self
            .retired
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for instance in instances {
            total.merge(instance);
        }
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let refused = |why: Refused| read(&self.refused[why as usize]);
        HubSnapshot {
            total,
            queue_wait: self.queue_wait.snapshot(),
            retries: read(&self.retries),
            retries_denied: read(&self.retries_denied),
            preparations: read(&self.preparations),
            refused_unknown: refused(Refused::Unknown),
            refused_none_routable: refused(Refused::NoneRoutable),
            refused_queue_full: refused(Refused::QueueFull),
            refused_queue_timeout: refused(Refused::QueueTimeout),
            refused_closed: refused(Refused::Closed),
        }
    }
}

/// What a hub, or several together, have done.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct HubSnapshot {
    /// All instances together, those that are gone included.
    #[serde(flatten)]
    pub total: InstanceSnapshot,
    /// How long requests that had to wait did, until they got an instance.
    pub queue_wait: LatencySnapshot,
    /// Requests sent again.
    pub retries: u64,
    /// Retries that the budget forbade.
    pub retries_denied: u64,
    /// Capabilities brought in.
    pub preparations: u64,
    /// Requests for what no instance ever had.
    pub refused_unknown: u64,
    /// Requests that no instance could be used for.
    pub refused_none_routable: u64,
    /// Requests that the full queue turned away.
    pub refused_queue_full: u64,
    /// Requests that waited as long as they may.
    pub refused_queue_timeout: u64,
    /// Requests that came when the hub was closing.
    pub refused_closed: u64,
}

impl HubSnapshot {
    /// Adds another hub's.
    pub fn merge(&mut self, other: &HubSnapshot) {
        self.total.merge(&other.total);
        self.queue_wait.merge(&other.queue_wait);
        self.retries += other.retries;
        self.retries_denied += other.retries_denied;
        self.preparations += other.preparations;
        self.refused_unknown += other.refused_unknown;
        self.refused_none_routable += other.refused_none_routable;
        self.refused_queue_full += other.refused_queue_full;
        self.refused_queue_timeout += other.refused_queue_timeout;
        self.refused_closed += other.refused_closed;
    }
}
