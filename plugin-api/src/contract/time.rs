//! Points in time as the state machines see them: nanoseconds since a start that the caller chose.
//!
//! Nothing in [`contract`](super) reads a clock, so tests turn time by hand and the host may use whatever clock
//! it has. Sixty-four bits of nanoseconds last 584 years, fit an atomic, and never wrap at midnight, as the
//! Python system's breaker did: it subtracted the time-of-day part of two dates.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on a monotonic clock, in nanoseconds since that clock's start.
///
/// Arithmetic saturates: a reading that is a little too early (two threads, two readings) is an elapsed time
/// of zero, never an enormous one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tick(u64);

impl Tick {
    /// The clock's start.
    pub const START: Tick = Tick(0);

    /// The point this many nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The point this long after the start.
    pub fn at(since_start: Duration) -> Self {
        Self(nanos(since_start))
    }

    /// The point this much later, or the end of time.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// How long after `earlier` this is; zero if it is before it.
    pub const fn since(self, earlier: Tick) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Tick;

    #[test]
    fn elapsed_time_does_not_wrap_at_the_end_of_a_day() {
        let before_midnight = Tick::at(Duration::from_secs(86_399));
        let two_days_on = Tick::at(Duration::from_secs(2 * 86_400 + 1));
        assert_eq!(two_days_on.since(before_midnight), Duration::from_secs(86_402));
    }

    #[test]
    fn a_reading_from_the_future_is_no_time_ago() {
        let now = Tick::at(Duration::from_secs(1));
        let ahead = now.after(Duration::from_nanos(7));
        assert_eq!(now.since(ahead), Duration::ZERO);
    }

    #[test]
    fn the_end_of_time_is_reached_and_not_passed() {
        assert_eq!(Tick::START.after(Duration::MAX), Tick::from_nanos(u64::MAX));
        assert_eq!(
            Tick::from_nanos(u64::MAX).after(Duration::from_secs(1)),
            Tick::from_nanos(u64::MAX)
        );
    }
}
