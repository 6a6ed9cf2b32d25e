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

    /// Whether a try until then may do better, so that a request waits for it. The hub says so of its own failures: an
    /// engine that is away may come back, an image that is not to be fetched does not come by waiting, and what the hub
    /// itself gives a rest is not mended before that is over. Nor does what began and died: the next would as well. And
    /// where the hub found no engine it has looked at all of them, and knows that none is worth waiting for.
    pub(super) fn may_pass(&self, until: Tick) -> bool {
        let hopeless = matches!(self.error.code, ErrorCode::NOT_AVAILABLE | ErrorCode::UNHEALTHY);
        let in_time = match self.error.retry {
            Retry::Never => false,
            Retry::Now => self.until <= until,
            Retry::After(rest) => self.until.max(self.at.after(rest)) <= until,
        };
        self.error.fault != Fault::Client && in_time && !hopeless
    }

    /// Whether the last failure was within this time. One from before has nothing to do with what happened in it.
    pub(super) fn is_of_the_last(&self, time: Duration, now: Tick) -> bool {
        now.since(self.at) <= time
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

    /// What a request is told. It comes back when this is tried again, and not before the hub has said that it may help.
    pub(super) fn error(&self, now: Tick) -> Error {
        let error = self.error.clone();
        if self.is_final() {
            return error;
        }
        let rest = error.retry_after().map(|rest| self.at.after(rest).since(now));
        let left = self.until.since(now).max(rest.unwrap_or_default());
        match (left.is_zero(), rest) {
            (false, _) => error.retry(Retry::After(left)),
            (true, Some(_)) => error.retry(Retry::Now),
            (true, None) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plugin_api::contract::time::Tick;
    use plugin_api::{Error, ErrorCode, Fault, Retry};

    use super::Setback;

    const NOW: Tick = Tick::from_nanos(100_000_000_000);

    fn in_secs(secs: u64) -> Tick {
        NOW.after(Duration::from_secs(secs))
    }

    /// The hub gives it a rest of its own.
    fn rests(secs: u64) -> Setback {
        let retry = Retry::After(Duration::from_secs(secs));
        let error = Error::instance(ErrorCode::UPSTREAM_ERROR, "it is tried again later").retry(retry);
        Setback::new(None, error, NOW, NOW)
    }

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
        let waits = |error: &Error| Setback::new(None, error.clone(), NOW, NOW).may_pass(in_secs(60));
        let none = Error::instance(ErrorCode::NOT_AVAILABLE, "the hub has no instances");
        let dies = Error::instance(ErrorCode::UNHEALTHY, "it ended as soon as it ran");
        assert_eq!(
            [&away, &unset, &wrong, &none, &dies].map(waits),
            [true, false, false, false, false]
        );
    }

    #[test]
    fn what_the_hub_gives_a_rest_is_waited_for_by_those_who_have_longer() {
        let setback = rests(300);
        assert!(!setback.may_pass(in_secs(299)));
        assert!(setback.may_pass(in_secs(300)));
        // It is asked again all the same, for it may have been mended by hand.
        assert_eq!(setback.lasts_until(NOW), Some(in_secs(1)));
    }

    #[test]
    fn the_longer_of_both_rests_is_told_and_what_is_left_of_it() {
        let told = |setback: &Setback, after| setback.error(in_secs(after)).retry;
        let after = |secs| Retry::After(Duration::from_secs(secs));
        let setback = rests(300);
        assert_eq!([0, 100].map(|at| told(&setback, at)), [after(300), after(200)]);
        assert_eq!(told(&setback, 300), Retry::Now);
        assert_eq!(told(&rests(0), 0), after(1));
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
