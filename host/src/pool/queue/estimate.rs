//! How long a queue takes, for callers that are turned away.

use std::time::Duration;

use crate::pool::core::Core;

const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(300);

impl Core {
    /// How long it will take until as many requests as wait now have been served, and one more.
    ///
    /// Each instance finishes its requests in flight at the pace of late; together that is how many places become
    /// free in a second (Little's law). Between one second and five minutes: sooner would be a stampede, later is
    /// anybody's guess.
    pub(in crate::pool) fn queue_clears_in(&self, ahead: usize) -> Duration {
        let per_second: f64 = self
            .registry
            .all()
            .iter()
            .filter_map(|slot| Some(f64::from(slot.gate.read().in_flight) / slot.pace.seconds()?))
            .sum();
        if per_second <= 0.0 {
            return SOONEST;
        }
        let seconds = (ahead as f64 + 1.0) / per_second;
        // Whole seconds, rounded up: that is what Retry-After can say.
        Duration::try_from_secs_f64(seconds.ceil())
            .unwrap_or(LATEST)
            .clamp(SOONEST, LATEST)
    }
}
