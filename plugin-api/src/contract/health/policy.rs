//! How often to probe, and how many failures mean what.

use std::time::Duration;

/// The numbers behind a [`HealthMonitor`](super::HealthMonitor). The defaults are the Python system's: 30 s,
/// degraded at 2 failures, unhealthy at 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthPolicy {
    /// Between two probes, give or take a tenth.
    pub interval: Duration,
    /// Failed probes in a row until degraded.
    pub degraded_after: u32,
    /// Failed probes in a row until unhealthy.
    pub unhealthy_after: u32,
    /// The longest time between two probes of a dead instance, give or take a tenth.
    pub max_interval: Duration,
}

impl Default for HealthPolicy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            degraded_after: 2,
            unhealthy_after: 3,
            max_interval: Duration::from_secs(120),
        }
    }
}

/// Probing more often than this would be a busy loop.
const SHORTEST: Duration = Duration::from_millis(10);

impl HealthPolicy {
    pub(super) fn within_bounds(self) -> Self {
        let interval = self.interval.max(SHORTEST);
        Self {
            interval,
            degraded_after: self.degraded_after.max(1),
            unhealthy_after: self.unhealthy_after.max(1),
            max_interval: self.max_interval.max(interval),
        }
    }

    /// How long to wait after so many failures in a row. From the one that made the instance unhealthy on, each
    /// doubles the wait.
    pub(super) fn delay(&self, failures: u32, jitter: f64) -> Duration {
        let dead_for = failures.saturating_add(1).saturating_sub(self.unhealthy_after);
        let factor = 1u32.checked_shl(dead_for).unwrap_or(u32::MAX);
        let delay = self.interval.saturating_mul(factor).min(self.max_interval);
        let jitter = if jitter > 0.0 { jitter.min(1.0) } else { 0.0 };
        Duration::try_from_secs_f64(delay.as_secs_f64() * (0.9 + 0.2 * jitter)).unwrap_or(Duration::MAX)
    }
}
