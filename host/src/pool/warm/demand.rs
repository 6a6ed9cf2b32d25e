//! Demand: how many resources of a kind should be ready, from how many were wanted of late.
//!
//! Only requests that need one nobody has used yet count: whoever comes back to its own takes none from the shelf.

use std::time::Duration;

use plugin_api::contract::time::Tick;

/// What was longer ago than this counts for little.
const MEMORY: Duration = Duration::from_secs(60);
/// A start is taken to last this long until one has been seen.
const GUESS: Duration = Duration::from_secs(1);
/// How much the last start counts for the average.
const WEIGHT: f64 = 0.3;

/// Averages that forget with time.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// Requests per second.
    rate: f64,
    /// The most that came within the time of one start.
    burst: f64,
    /// As of when both.
    at: Tick,
    /// The burst that goes on: since when, and how many so far.
    current: Option<(Tick, u32)>,
    /// How long a start takes, in seconds.
    lead: Option<f64>,
}

impl Demand {
    /// A request wants one that nobody has used yet.
    pub(super) fn wanted(&mut self, now: Tick) {
        self.age(now);
        self.rate += 1.0 / MEMORY.as_secs_f64();
        let count = match self.current {
            Some((since, count)) if now.since(since) <= self.lead() => count.saturating_add(1),
            _ => 1,
        };
        let since = match self.current {
            Some((since, _)) if count > 1 => since,
            _ => now,
        };
        self.current = Some((since, count));
        self.burst = self.burst.max(f64::from(count));
    }

    /// A start took so long.
    pub(super) fn started(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.lead = Some(
            self.lead
                .map_or(took, |average| average + (took - average) * WEIGHT),
        );
    }

    /// How long a start takes, about.
    pub(super) fn lead(&self) -> Duration {
        self.lead
            .and_then(|lead| Duration::try_from_secs_f64(lead).ok())
            .unwrap_or(GUESS)
    }

    /// How many should be ready now: as many as come while one is started, and as many as came at once of late.
    pub(super) fn target(&mut self, now: Tick) -> u32 {
        self.age(now);
        let coming = self.rate * self.lead().as_secs_f64();
        // The mean, and once its standard deviation: arrivals are Poisson at best.
        let steady = (coming + coming.sqrt()).floor();
        let most = steady.max(self.burst.round());
        // A lone request is no burst: what one needs, the operator's minimum is for.
        if most <= 1.0 { 0 } else { most as u32 }
    }

    fn age(&mut self, now: Tick) {
        let left = (-now.since(self.at).as_secs_f64() / MEMORY.as_secs_f64()).exp();
        self.rate *= left;
        self.burst *= left;
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plugin_api::contract::time::Tick;

    use super::Demand;

    fn at(seconds: f64) -> Tick {
        Tick::at(Duration::from_secs_f64(seconds))
    }

    #[test]
    fn a_lone_request_asks_for_no_more_than_the_minimum() {
        let mut demand = Demand::default();
        demand.wanted(at(10.0));
        assert_eq!(demand.target(at(10.0)), 0);
    }

    #[test]
    fn a_burst_is_remembered_and_forgotten() {
        let mut demand = Demand::default();
        demand.started(Duration::from_millis(250));
        (0..6).for_each(|_| demand.wanted(at(100.0)));
        assert_eq!(demand.target(at(100.1)), 6);
        let later = demand.target(at(130.0));
        assert!((2..6).contains(&later), "{later}");
        assert_eq!(demand.target(at(400.0)), 0);
    }

    #[test]
    fn a_steady_stream_asks_for_as_many_as_come_during_a_start() {
        let mut demand = Demand::default();
        demand.started(Duration::from_secs(2));
        for step in 0..600 {
            demand.wanted(at(100.0 + f64::from(step) * 0.5));
        }
        // Two a second, two seconds: four, and a little more to be sure.
        let target = demand.target(at(400.0));
        assert!((4..=7).contains(&target), "{target}");
    }

    #[test]
    fn what_starts_quickly_needs_fewer_ready() {
        let target = |lead| {
            let mut demand = Demand::default();
            demand.started(Duration::from_millis(lead));
            for step in 0..600 {
                demand.wanted(at(100.0 + f64::from(step) * 0.1));
            }
            demand.target(at(160.0))
        };
        assert!(target(20) < target(3_000));
    }
}
