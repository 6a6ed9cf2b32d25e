//! When a breaker opens, and how it closes again.

use std::time::Duration;

/// The numbers behind a breaker. The defaults are those the Python system used (5 failures, 60 s, 3 trials,
/// 2 successes), plus an error rate, which sees what a run of failures does not: every other request failing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerPolicy {
    /// Failures in a row that open it.
    pub failure_threshold: u32,
    /// Share of failures within the window that opens it, 0 to 1. Above 1 it never does.
    pub error_rate: f64,
    /// Requests within the window before the share says anything.
    pub minimum_requests: u32,
    /// The sliding window; at least a second.
    pub window: Duration,
    /// How long it stays open the first time, plus up to a tenth of jitter.
    pub recovery_timeout: Duration,
    /// It stays open twice as long each time in a row, up to this, plus up to a tenth of jitter.
    pub max_recovery_timeout: Duration,
    /// Trials on their way at once while half-open.
    pub half_open_requests: u32,
    /// Successful trials that close it.
    pub success_threshold: u32,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            error_rate: 0.5,
            minimum_requests: 10,
            window: Duration::from_secs(60),
            recovery_timeout: Duration::from_secs(60),
            max_recovery_timeout: Duration::from_secs(600),
            half_open_requests: 3,
            success_threshold: 2,
        }
    }
}

/// The packed state has twenty bits for each of its counters.
const COUNTER_MAX: u32 = (1 << 20) - 1;

impl BreakerPolicy {
    /// The same, with values that would wedge the machine (no trials, no successes) moved to the nearest that
    /// does not.
    pub(super) fn within_bounds(self) -> Self {
        Self {
            failure_threshold: self.failure_threshold.max(1),
            minimum_requests: self.minimum_requests.max(1),
            window: self.window.max(Duration::from_secs(1)),
            max_recovery_timeout: self.max_recovery_timeout.max(self.recovery_timeout),
            half_open_requests: self.half_open_requests.clamp(1, COUNTER_MAX),
            success_threshold: self.success_threshold.clamp(1, COUNTER_MAX),
            ..self
        }
    }

    /// How long to stay open when it has opened `earlier` times in a row before.
    pub(super) fn open_for(&self, earlier: u8, jitter: f64) -> Duration {
        let doubled = self
            .recovery_timeout
            .saturating_mul(1u32.checked_shl(u32::from(earlier)).unwrap_or(u32::MAX));
        let bounded = doubled.min(self.max_recovery_timeout);
        let jitter = if jitter > 0.0 { jitter.min(1.0) } else { 0.0 };
        bounded.saturating_add(Duration::from_nanos(
            (bounded.as_nanos() as f64 * 0.1 * jitter) as u64,
        ))
    }
}
