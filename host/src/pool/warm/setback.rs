//! A setback: a kind of resource could not be started, and when that is tried again.

use std::time::Duration;

use plugin_api::contract::time::Tick;
use plugin_api::{Error, Fault, Retry};

/// After the first failure; twice as long after each further one…
const FIRST: Duration = Duration::from_secs(1);
/// …up to this.
const LONGEST: Duration = Duration::from_secs(60);

/// The failures of late to start resources of one specification. Others know nothing of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setback {
    /// The last, as the hub put it.
    pub(super) error: Error,
    /// In a row.
    pub(super) failures: u32,
    at: Tick,
    until: Tick,
    restock: Tick,
    /// A start has succeeded since, but nobody has used what was started.
    lifted: bool,
}

impl Setback {
    /// A start failed like this.
    pub(super) fn new(before: Option<&Setback>, error: Error, now: Tick) -> Self {
        let failures = before
            .filter(|before| now.since(before.at) <= LONGEST * 2)
            .map_or(1, |before| before.failures.saturating_add(1));
        let pause = |doublings| {
            let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
            now.after(FIRST.saturating_mul(factor).min(LONGEST))
        };
        let restock = pause(failures - 1);
        let until = match error.fault {
            // It is the specification that is wrong: waiting longer mends nothing, and neither does asking often.
            Fault::Client => pause(0),
            Fault::Plugin | Fault::Instance | Fault::Host => restock,
        };
        Self {
            error,
            failures,
            at: now,
            until,
            restock,
            lifted: false,
        }
    }

    /// A start has succeeded. What has failed before is remembered until one has served somebody: a resource that dies as
    /// soon as it runs is no better than one that does not start.
    pub(super) fn lift(&mut self, now: Tick) {
        self.until = now;
        self.restock = now;
        self.lifted = true;
    }

    pub(super) fn is_lifted(&self) -> bool {
        self.lifted
    }

    /// Until when nothing is tried, if that is still to come.
    pub(super) fn lasts_until(&self, now: Tick) -> Option<Tick> {
        (self.until > now).then_some(self.until)
    }

    /// When it may be tried again ahead of need.
    pub(super) fn restocks_at(&self) -> Tick {
        self.restock
    }

    /// Whether only requests try again: nothing that is wrong in itself is tried ahead of need.
    pub(super) fn is_final(&self) -> bool {
        self.error.fault == Fault::Client
    }

    /// What a request is told.
    pub(super) fn error(&self, now: Tick) -> Error {
        let left = self.until.since(now);
        let error = self.error.clone();
        if self.is_final() || left.is_zero() {
            return error;
        }
        error.retry(Retry::After(left))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plugin_api::contract::time::Tick;
    use plugin_api::{Error, Retry};

    use super::Setback;

    const NOW: Tick = Tick::from_nanos(100_000_000_000);

    #[test]
    fn it_lasts_twice_as_long_each_time_up_to_a_minute() {
        let mut setback = Setback::new(None, Error::plugin("no engine").hint("start it"), NOW);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            pauses.push(setback.lasts_until(NOW).unwrap().since(NOW).as_secs());
            setback = Setback::new(Some(&setback), setback.error.clone(), NOW);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        let error = setback.error(NOW);
        assert_eq!(error.retry, Retry::After(Duration::from_secs(60)));
        assert_eq!(error.hint.as_deref(), Some("start it"));
    }

    #[test]
    fn a_wrong_specification_is_told_as_it_is() {
        let wrong = Error::invalid("no such image");
        let setback = Setback::new(None, wrong.clone(), NOW);
        let again = Setback::new(Some(&setback), wrong.clone(), NOW);
        assert_eq!(again.lasts_until(NOW).unwrap().since(NOW), Duration::from_secs(1));
        assert!(again.is_final());
        assert_eq!(again.error(NOW), wrong);
    }
}
