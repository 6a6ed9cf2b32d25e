//! A setback: a kind of resource could not be started, and when that is tried again.

use std::time::Duration;

use plugin_api::contract::time::Tick;
use plugin_api::{Error, ErrorCode, Fault, Retry};

/// After the first failure; twice as long after each further one…
const FIRST: Duration = Duration::from_secs(1);
/// …up to this ahead of need…
const LONGEST: Duration = Duration::from_secs(60);
/// …and up to this for requests, which wait for it.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

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
    /// A start that was begun then failed like this. Those that were under way together count as one failure.
    pub(super) fn new(before: Option<&Setback>, error: Error, begun: Tick, now: Tick) -> Self {
        let failures = before
            .filter(|before| now.since(before.at) <= LONGEST * 2)
            .map_or(1, |before| {
                before.failures.saturating_add(u32::from(before.at <= begun))
            });
        let pause = |doublings| {
            let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
            now.after(FIRST.saturating_mul(factor).min(LONGEST))
        };
        let restock = pause(failures - 1);
        let until = match error.fault {
            // It is the specification that is wrong: waiting longer mends nothing, and neither does asking often.
            Fault::Client => pause(0),
            Fault::Plugin | Fault::Instance | Fault::Host => restock.min(now.after(LONGEST_WAIT)),
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

    /// Whether the next try may do better, so that a request waits for it. The hub says so of its own failures: an
    /// engine that is away may come back, an image that is missing does not come by waiting. Nor does what began and died:
    /// the next would as well. And where the hub found no engine it has looked at all of them, and knows that none is worth
    /// waiting for.
    pub(super) fn may_pass(&self) -> bool {
        let hopeless = matches!(self.error.code, ErrorCode::NOT_AVAILABLE | ErrorCode::UNHEALTHY);
        self.error.fault != Fault::Client && self.error.retry != Retry::Never && !hopeless
    }

    /// What a request is told that has waited in vain.
    pub(super) fn error_after(&self, waited: Duration, now: Tick) -> Error {
        let mut error = self.error(now);
        let waited = humantime::format_duration(Duration::from_millis(waited.as_millis() as u64));
        error.message = format!(
            "none could be started within {waited}; the last failure: {}",
            error.message
        );
        error
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
    use plugin_api::{Error, ErrorCode, Fault, Retry};

    use super::Setback;

    const NOW: Tick = Tick::from_nanos(100_000_000_000);

    #[test]
    fn it_lasts_twice_as_long_each_time_up_to_what_a_request_waits_for() {
        let mut setback = Setback::new(None, Error::plugin("no engine").hint("start it"), NOW, NOW);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let pause = |until: Tick| until.since(NOW).as_secs();
            pauses.push((
                pause(setback.lasts_until(NOW).unwrap()),
                pause(setback.restocks_at()),
            ));
            setback = Setback::new(Some(&setback), setback.error.clone(), NOW, NOW);
        }
        let (requests, ahead): (Vec<_>, Vec<_>) = pauses.into_iter().unzip();
        assert_eq!(requests, [1, 2, 4, 8, 10, 10, 10, 10]);
        assert_eq!(ahead, [1, 2, 4, 8, 16, 32, 60, 60]);
        let error = setback.error(NOW);
        assert_eq!(error.retry, Retry::After(Duration::from_secs(10)));
        assert_eq!(error.hint.as_deref(), Some("start it"));
    }

    #[test]
    fn only_what_may_pass_is_waited_for() {
        let away = Error::instance(ErrorCode::CONNECTION_FAILED, "no engine");
        let unset = Error::new(ErrorCode::CONFIGURATION, Fault::Host, "no such image here");
        let wrong = Error::invalid("no image").retry(Retry::Now);
        let waits = |error: &Error| Setback::new(None, error.clone(), NOW, NOW).may_pass();
        let none = Error::instance(ErrorCode::NOT_AVAILABLE, "the hub has no instances");
        let dies = Error::instance(ErrorCode::UNHEALTHY, "it ended as soon as it ran");
        assert_eq!(
            [&away, &unset, &wrong, &none, &dies].map(waits),
            [true, false, false, false, false]
        );
    }

    #[test]
    fn a_wrong_specification_is_told_as_it_is() {
        let wrong = Error::invalid("no such image");
        let setback = Setback::new(None, wrong.clone(), NOW, NOW);
        let again = Setback::new(Some(&setback), wrong.clone(), NOW, NOW);
        assert_eq!(again.lasts_until(NOW).unwrap().since(NOW), Duration::from_secs(1));
        assert!(again.is_final());
        assert_eq!(again.error(NOW), wrong);
    }
}
