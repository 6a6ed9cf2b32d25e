//! What one instance has done.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::latency::{LatencyHistogram, LatencySnapshot};
use super::outcomes::{OutcomeCounters, OutcomeCounts};
use super::recent::{ErrorRate, PeakEwma};
use crate::contract::breaker::Transition;
use crate::contract::outcome::Outcome;
use crate::contract::time::Tick;

/// The counters of one instance. Shared by reference; nothing blocks.
///
/// What the balancer reads and every request writes comes first: in a fleet of ten thousand each further cache
/// line is a miss.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct InstanceMetrics {
    /// Recent share of failures.
    pub error_rate: ErrorRate,
    /// Recent latency: time to the first byte where that was seen, else to the end.
    pub recent_latency: PeakEwma,
    /// Successes, and with them their number: the usual request is counted by one write to one cache line.
    latency: LatencyHistogram,
    /// All other outcomes.
    outcomes: OutcomeCounters,
    first_byte: LatencyHistogram,
    opened: AtomicU64,
    half_opened: AtomicU64,
    closed: AtomicU64,
    probes: AtomicU64,
    failed_probes: AtomicU64,
}

impl InstanceMetrics {
    /// All zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first byte of an answer arrived this long after the request was sent. At most once a request.
    pub fn first_byte(&self, after: Duration, now: Tick) {
        self.first_byte.record(after);
        self.recent_latency.record(after, now);
    }

    /// A request ended this long after it was sent. Exactly once a request. `had_first_byte` says whether
    /// [`first_byte`](Self::first_byte) was called for it.
    ///
    /// The histogram holds successes only: what failed at once would make a sick instance look quick. A
    /// time-out does count as recent latency, of at least its own length.
    pub fn finish(&self, outcome: Outcome, after: Duration, had_first_byte: bool, now: Tick) {
        if outcome == Outcome::Success {
            self.error_rate.record(false, now);
            self.latency.record(after);
            if !had_first_byte {
                self.recent_latency.record(after, now);
            }
            return;
        }
        self.outcomes.record(outcome);
        match outcome {
            Outcome::TimedOut => {
                self.error_rate.record(true, now);
                self.recent_latency.record(after, now);
            }
            other if other.is_instance_failure() => self.error_rate.record(true, now),
            _ => {}
        }
    }

    /// The breaker changed its state.
    pub fn transition(&self, transition: &Transition) {
        let counter = match transition {
            Transition::Opened { .. } => &self.opened,
            Transition::HalfOpened => &self.half_opened,
            Transition::Closed => &self.closed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A probe ended.
    pub fn probed(&self, failed: bool) {
        self.probes.fetch_add(1, Ordering::Relaxed);
        self.failed_probes.fetch_add(u64::from(failed), Ordering::Relaxed);
    }

    /// The values now.
    pub fn snapshot(&self) -> InstanceSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let latency = self.latency.snapshot();
        InstanceSnapshot {
            outcomes: self.outcomes.snapshot().with(Outcome::Success, latency.count()),
            latency,
            first_byte: self.first_byte.snapshot(),
            circuit_opened: read(&self.opened),
            circuit_half_opened: read(&self.half_opened),
            circuit_closed: read(&self.closed),
            probes: read(&self.probes),
            failed_probes: read(&self.failed_probes),
        }
    }
}

/// What one instance, or several together, have done.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct InstanceSnapshot {
    /// Requests that ended, by outcome.
    pub outcomes: OutcomeCounts,
    /// From sending a request to the end of its answer; successes only.
    pub latency: LatencySnapshot,
    /// From sending a request to the first byte of its answer.
    pub first_byte: LatencySnapshot,
    /// How often the breaker opened.
    pub circuit_opened: u64,
    /// How often it began trials.
    pub circuit_half_opened: u64,
    /// How often it closed again.
    pub circuit_closed: u64,
    /// Probes that ended.
    pub probes: u64,
    /// Those that failed.
    pub failed_probes: u64,
}

impl InstanceSnapshot {
    /// Adds another instance's.
    pub fn merge(&mut self, other: &InstanceSnapshot) {
        self.outcomes.merge(&other.outcomes);
        self.latency.merge(&other.latency);
        self.first_byte.merge(&other.first_byte);
        self.circuit_opened += other.circuit_opened;
        self.circuit_half_opened += other.circuit_half_opened;
        self.circuit_closed += other.circuit_closed;
        self.probes += other.probes;
        self.failed_probes += other.failed_probes;
    }
}
