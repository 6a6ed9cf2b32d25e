//! When a component has panicked so often that something must be done.

use std::time::{Duration, Instant};

/// So many panics within [`WINDOW`], and it is built anew.
pub(super) const PANICS: u64 = 10;
/// See [`PANICS`].
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Unless they were fewer than one of so many calls: a plugin that trips over one odd request in a hundred serves the
/// other ninety-nine, and whoever sends the odd ones must not be able to take it from everybody.
pub(super) const SHARE: u64 = 10;
/// Built anew so often within [`REBUILD_WINDOW`], it is left alone at the next time.
pub(super) const REBUILDS: usize = 3;
/// See [`REBUILDS`].
pub(super) const REBUILD_WINDOW: Duration = Duration::from_secs(10 * 60);

/// What has to be done about a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Bear,
    /// Build it anew.
    Rebuild,
    /// Let it run no more.
    Quarantine,
}

/// What a component has done lately.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// When the first of the panics that are counted came. The window begins there.
    since: Option<Instant>,
    panics: u64,
    rebuilt: Vec<Instant>,
}

impl Record {
    /// It has panicked so many times more; `calls` it has had since [`since`](Self::since).
    pub(super) fn panicked(&mut self, times: u64, calls: u64, now: Instant) -> Verdict {
        self.panics += times;
        if self.since.is_none() {
            self.since = Some(now);
        }
        if self.panics < PANICS || self.panics.saturating_mul(SHARE) < calls {
            return Verdict::Bear;
        }
        self.forget();
        self.rebuilt.retain(|at| now.duration_since(*at) < REBUILD_WINDOW);
        if self.rebuilt.len() >= REBUILDS {
            return Verdict::Quarantine;
        }
        self.rebuilt.push(now);
        Verdict::Rebuild
    }

    /// Whether what was counted is too old to count. Then a new window begins with the next panic.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.since.is_none_or(|since| now.duration_since(since) >= WINDOW)
    }

    /// Counts from nothing again.
    pub(super) fn forget(&mut self) {
        self.since = None;
        self.panics = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(record: &mut Record, times: u64, now: Instant) -> Verdict {
        (0..times)
            .map(|_| record.panicked(1, 0, now))
            .last()
            .unwrap_or(Verdict::Bear)
    }

    #[test]
    fn it_is_built_anew_three_times_and_then_left_alone() {
        let (mut record, now) = (Record::default(), Instant::now());
        for _ in 0..REBUILDS {
            assert_eq!(many(&mut record, PANICS - 1, now), Verdict::Bear);
            assert_eq!(many(&mut record, 1, now), Verdict::Rebuild);
        }
        assert_eq!(many(&mut record, PANICS, now), Verdict::Quarantine);
    }

    #[test]
    fn rebuilds_of_long_ago_do_not_count() {
        let (mut record, mut now) = (Record::default(), Instant::now());
        for _ in 0..20 {
            assert_eq!(many(&mut record, PANICS, now), Verdict::Rebuild);
            now += REBUILD_WINDOW / 3 + Duration::from_secs(1);
        }
    }

    #[test]
    fn panics_are_forgotten_after_a_while() {
        let (mut record, now) = (Record::default(), Instant::now());
        assert!(record.is_over(now));
        many(&mut record, PANICS - 1, now);
        assert!(!record.is_over(now + WINDOW / 2));
        assert!(record.is_over(now + WINDOW));
        record.forget();
        assert_eq!(many(&mut record, PANICS - 1, now + WINDOW), Verdict::Bear);
    }

    #[test]
    fn one_odd_request_in_a_hundred_takes_it_from_nobody() {
        let (mut record, now) = (Record::default(), Instant::now());
        for panic in 1..1_000 {
            assert_eq!(record.panicked(1, panic * 100, now), Verdict::Bear);
        }
    }
}
