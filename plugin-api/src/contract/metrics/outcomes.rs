//! Requests by outcome.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::contract::outcome::Outcome;

/// One of each, in the order of their places.
const ALL: [Outcome; 10] = [
    Outcome::Success,
    Outcome::ClientError,
    Outcome::Cancelled,
    Outcome::Busy {
        retry_after: None::<Duration>,
    },
    Outcome::ConnectFailed,
    Outcome::TimedOut,
    Outcome::ServerError,
    Outcome::StreamBroken,
    Outcome::Misconfigured,
    Outcome::CapabilityMissing,
];

fn place(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Success => 0,
        Outcome::ClientError => 1,
        Outcome::Cancelled => 2,
        Outcome::Busy { .. } => 3,
        Outcome::ConnectFailed => 4,
        Outcome::TimedOut => 5,
        Outcome::ServerError => 6,
        Outcome::StreamBroken => 7,
        Outcome::Misconfigured => 8,
        Outcome::CapabilityMissing => 9,
    }
}

/// Counts requests by how they ended, each exactly once.
#[derive(Debug, Default)]
pub struct OutcomeCounters {
    counts: [AtomicU64; ALL.len()],
}

impl OutcomeCounters {
    /// Counts one.
    #[inline]
    pub fn record(&self, outcome: Outcome) {
        self.counts[place(outcome)].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts now.
    pub fn snapshot(&self) -> OutcomeCounts {
        OutcomeCounts {
            counts: std::array::from_fn(|place| self.counts[place].load(Ordering::Relaxed)),
        }
    }
}

/// Requests by outcome at a moment. Serialises as a map from label to count, without zeroes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutcomeCounts {
    counts: [u64; ALL.len()],
}

impl OutcomeCounts {
    /// The same, with so many of one outcome.
    pub(super) fn with(mut self, outcome: Outcome, count: u64) -> Self {
        self.counts[place(outcome)] = count;
        self
    }

    /// How many ended like this, whatever the outcome's details.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.counts[place(outcome)]
    }

    /// All outcomes with their counts, zeroes included: for exports.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ALL.iter()
            .map(|outcome| outcome.label())
            .zip(self.counts.iter().copied())
    }

    /// All that ended.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Those that the instance failed.
    pub fn failures(&self) -> u64 {
        ALL.iter()
            .zip(self.counts)
            .filter(|(outcome, _)| outcome.is_instance_failure())
            .map(|(_, count)| count)
            .sum()
    }

    /// The share of requests that the instance failed, of those that say something about it: 0 to 1.
    pub fn error_rate(&self) -> f64 {
        let failures = self.failures();
        let judged = failures + self.of(Outcome::Success);
        match judged {
            0 => 0.0,
            judged => failures as f64 / judged as f64,
        }
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &OutcomeCounts) {
        for (own, other) in self.counts.iter_mut().zip(other.counts) {
            *own = own.saturating_add(other);
        }
    }
}

impl Serialize for OutcomeCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().filter(|(_, count)| *count > 0))
    }
}
