//! Where the engine gets its time from.

use std::time::{Duration, Instant};

use plugin_api::contract::time::Tick;

/// A monotonic clock. Cheap to copy; one for each pool, because [`Tick`]s of different clocks do not compare.
///
/// Tests use [`Clock::simulated`] under tokio's paused time, where an hour passes as soon as everybody sleeps.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    source: Source,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    /// The machine's own clock, read without asking tokio: the cost counts, twice for each lease.
    Real { start: Instant },
    /// Tokio's clock, which tests pause and turn.
    Simulated { start: tokio::time::Instant },
}

impl Clock {
    /// The machine's clock.
    pub fn real() -> Self {
        Self {
            source: Source::Real {
                start: Instant::now(),
            },
        }
    }

    /// Tokio's clock: follows `tokio::time::pause` and `advance`. Must be read within the runtime that is paused.
    pub fn simulated() -> Self {
        Self {
            source: Source::Simulated {
                start: tokio::time::Instant::now(),
            },
        }
    }

    /// Now.
    #[inline]
    pub fn now(&self) -> Tick {
        Tick::at(match self.source {
            Source::Real { start } => start.elapsed(),
            Source::Simulated { start } => start.elapsed(),
        })
    }

    /// The same moment on this clock; what was before its start becomes its start.
    pub fn tick(&self, instant: Instant) -> Tick {
        let start = match self.source {
            Source::Real { start } => start,
            Source::Simulated { start } => start.into_std(),
        };
        Tick::at(instant.saturating_duration_since(start))
    }

    /// Resolves at `tick`, or at once if that has passed. Cancel safe. Needs a tokio runtime with timers.
    pub async fn sleep_until(&self, tick: Tick) {
        loop {
            let left = tick.since(self.now());
            if left.is_zero() {
                return;
            }
            // Timers of tokio are millisecond-grained and bounded; whatever is left over is slept in the next round.
            tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
        }
    }
}

const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Clock;

    #[tokio::test(start_paused = true)]
    async fn simulated_time_passes_as_soon_as_everybody_sleeps() {
        let clock = Clock::simulated();
        let before = clock.now();
        clock
            .sleep_until(before.after(Duration::from_secs(100_000)))
            .await;
        assert!(clock.now().since(before) >= Duration::from_secs(100_000));
    }

    #[tokio::test(start_paused = true)]
    async fn an_instant_is_the_same_moment_on_the_clock() {
        let clock = Clock::simulated();
        tokio::time::advance(Duration::from_secs(5)).await;
        let later = tokio::time::Instant::now() + Duration::from_secs(2);
        assert_eq!(
            clock.tick(later.into_std()).since(clock.now()),
            Duration::from_secs(2)
        );
    }

    #[test]
    fn the_real_clock_never_runs_backwards() {
        let clock = Clock::real();
        let readings: Vec<_> = (0..1000).map(|_| clock.now()).collect();
        assert!(readings.is_sorted());
    }
}
