//! How long an instance is held for a request, on average.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A moving average of how long leases last, whatever their outcome: a failure frees its place too.
///
/// Two threads that record at once may lose one of the samples, which an estimate can do without.
#[derive(Debug, Default)]
pub(in crate::pool) struct Pace {
    /// Bits of seconds; zero is no sample yet.
    seconds: AtomicU64,
}

/// How much a sample counts.
const WEIGHT: f64 = 0.1;
/// Not zero, which is no sample.
const SHORTEST: f64 = 1e-6;

impl Pace {
    #[inline]
    pub(in crate::pool) fn record(&self, held: Duration) {
        let sample = held.as_secs_f64().max(SHORTEST);
        let next = self
            .seconds()
            .map_or(sample, |average| average + (sample - average) * WEIGHT);
        self.seconds.store(next.to_bits(), Ordering::Relaxed);
    }

    /// The average in seconds.
    pub(in crate::pool) fn seconds(&self) -> Option<f64> {
        let seconds = f64::from_bits(self.seconds.load(Ordering::Relaxed));
        (seconds > 0.0).then_some(seconds)
    }
}
