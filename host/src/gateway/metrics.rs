//! The gateway's own metrics: counted without locks while serving, rendered when scraped.

mod encode;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::histogram::Histogram;

pub(super) use encode::gauge;

/// Seconds until an answer's head, from a cached list to a model that has to be loaded first.
const UNTIL_HEAD: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0,
];

/// Seconds of our own overhead: tens of microseconds when all is well.
const OVERHEAD: [f64; 10] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1,
];

/// Bytes and connections of one network thread. Each thread has its own, so that counting is never contended.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
    accepted: AtomicU64,
    closed: AtomicU64,
}

impl Traffic {
    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections open on this thread.
    pub(super) fn open(&self) -> u64 {
        // In this order a connection that comes and goes in between is not counted below zero.
        let closed = self.closed.load(Ordering::Acquire);
        self.accepted.load(Ordering::Acquire).saturating_sub(closed)
    }
}

/// What is counted for one route.
#[derive(Debug)]
pub(super) struct RouteMetrics {
    /// Answers by status, from 100 on.
    statuses: [AtomicU64; 500],
    until_head: Histogram,
    overhead: Histogram,
}

impl RouteMetrics {
    fn new() -> Self {
        Self {
            statuses: [const { AtomicU64::new(0) }; 500],
            until_head: Histogram::new(UNTIL_HEAD),
            overhead: Histogram::new(OVERHEAD),
        }
    }

    /// An answer ended. 499 is one that its client did not wait for.
    pub(super) fn answered(&self, status: u16) {
        if let Some(count) = self.statuses.get(usize::from(status).wrapping_sub(100)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How long the head of an answer took, and how much of that was our own doing where that is known.
    pub(super) fn took(&self, until_head: Duration, overhead: Option<Duration>) {
        self.until_head.observe(until_head.as_secs_f64());
        if let Some(overhead) = overhead {
            self.overhead.observe(overhead.as_secs_f64());
        }
    }
}

/// Everything the gateway counts.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// By provider, then by route. Routes are few and come from manifests, never from clients.
    routes: RwLock<HashMap<String, HashMap<String, Arc<RouteMetrics>>>>,
    threads: RwLock<Vec<Arc<Traffic>>>,
    /// Connections refused because there were too many.
    pub refused: AtomicU64,
    /// Connections closed because the client did not read.
    pub unread: AtomicU64,
    /// Connections closed because a head did not come in time.
    pub slow_heads: AtomicU64,
}

impl Metrics {
    /// The counters of a route.
    pub(super) fn route(&self, provider: &str, id: &str) -> Arc<RouteMetrics> {
        let known = self.routes.read();
        if let Some(route) = known.get(provider).and_then(|routes| routes.get(id)) {
            return route.clone();
        }
        drop(known);
        let mut routes = self.routes.write();
        let routes = routes.entry(provider.to_owned()).or_default();
        let route = routes.entry(id.to_owned());
        route.or_insert_with(|| Arc::new(RouteMetrics::new())).clone()
    }

    /// The counters of a new network thread.
    pub(super) fn thread(&self) -> Arc<Traffic> {
        let traffic = Arc::new(Traffic::default());
        self.threads.write().push(traffic.clone());
        traffic
    }

    /// Connections open on all threads.
    pub(super) fn open(&self) -> u64 {
        self.threads.read().iter().map(|traffic| traffic.open()).sum()
    }

    #[cfg(test)]
    pub(super) fn received(&self) -> u64 {
        self.sum(|traffic| &traffic.received)
    }

    #[cfg(test)]
    pub(super) fn open_by_thread(&self) -> Vec<u64> {
        self.threads.read().iter().map(|traffic| traffic.open()).collect()
    }

    fn sum(&self, of: impl Fn(&Traffic) -> &AtomicU64) -> u64 {
        let threads = self.threads.read();
        threads
            .iter()
            .map(|traffic| of(traffic).load(Ordering::Relaxed))
            .sum()
    }
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        encode::all(self, encoder)
    }
}
