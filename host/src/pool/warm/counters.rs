//! What the warm pool counts. Shared by reference; nothing here locks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plugin_api::contract::metrics::{LatencyHistogram, LatencySnapshot};

use super::discard::Reason;
use super::specification::Specification;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    starts: LatencyHistogram,
    start_failures: AtomicU64,
    discarded: [AtomicU64; Reason::NAMES.len()],
}

impl Counters {
    pub(super) fn granted(&self, specification: &Specification, hit: bool) {
        let counters = match hit {
            true => [&self.hits, &specification.hits],
            false => [&self.misses, &specification.misses],
        };
        for counter in counters {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn started(&self, took: Duration) {
        self.starts.record(took);
    }

    pub(super) fn start_failed(&self) {
        self.start_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn discarded(&self, reason: &Reason) {
        self.discarded[reason.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(super) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    pub(super) fn starts(&self) -> LatencySnapshot {
        self.starts.snapshot()
    }

    pub(super) fn start_failures(&self) -> u64 {
        self.start_failures.load(Ordering::Relaxed)
    }

    pub(super) fn discards(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counted = self
            .discarded
            .iter()
            .map(|counter| counter.load(Ordering::Relaxed));
        Reason::NAMES.into_iter().zip(counted.collect::<Vec<_>>())
    }
}
