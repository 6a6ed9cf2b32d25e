//! Back-pressure: how long an instance that said "not now" is left alone.

use std::time::Duration;

use plugin_api::contract::time::Tick;

/// The first rest of an instance that named no time.
const FIRST: Duration = Duration::from_secs(1);
/// The longest rest of an instance that named no time.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest rest an instance may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// The rests of one instance.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Rests in a row without a success in between: the exponent of the growth.
    rests: u32,
    /// When the latest began.
    since: Tick,
    /// When it ends.
    until: Tick,
    asked: bool,
}

impl Rest {
    /// A request that was sent at `sent` was answered with "not now". Until when to rest.
    ///
    /// Of several requests that were under way together only the first makes the rest grow: their answers are
    /// one piece of news.
    pub(super) fn busy(&mut self, sent: Tick, now: Tick, asked: Option<Duration>) -> Tick {
        if self.rests == 0 || sent >= self.since {
            self.rests = self.rests.saturating_add(1);
            self.since = now;
        }
        let own = FIRST
            .saturating_mul(1_u32.checked_shl(self.rests - 1).unwrap_or(u32::MAX))
            .min(LONGEST);
        let until = now.after(asked.map_or(own, |asked| asked.min(LONGEST_ASKED)));
        if until > self.until {
            self.until = until;
            self.asked = asked.is_some();
        }
        self.until
    }

    /// The instance took a request.
    pub(super) fn relieved(&mut self) {
        self.rests = 0;
    }

    /// When the latest rest ends.
    pub(super) fn until(&self) -> Tick {
        self.until
    }

    /// For a person, while it lasts.
    pub(super) fn reason(&self, now: Tick) -> String {
        let left = self.until.since(now).as_secs_f64().ceil();
        let why = if self.asked {
            "it asked for that with Retry-After"
        } else {
            "it said it is busy"
        };
        format!("resting for {left} s more: {why}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plugin_api::contract::time::Tick;

    use super::Rest;

    fn at(seconds: u64) -> Tick {
        Tick::at(Duration::from_secs(seconds))
    }

    #[test]
    fn the_instance_gets_the_rest_it_asks_for_up_to_five_minutes() {
        let mut rest = Rest::default();
        assert_eq!(rest.busy(at(0), at(10), Some(Duration::from_secs(7))), at(17));
        assert_eq!(
            rest.busy(at(20), at(20), Some(Duration::from_secs(86_400))),
            at(320)
        );
    }

    #[test]
    fn unasked_rests_grow_until_a_request_succeeds() {
        let mut rest = Rest::default();
        let mut lasted = Vec::new();
        let mut now = at(0);
        for _ in 0..7 {
            let until = rest.busy(now, now, None);
            lasted.push(until.since(now).as_secs());
            now = until;
        }
        assert_eq!(lasted, [1, 2, 4, 8, 16, 30, 30]);
        rest.relieved();
        assert_eq!(rest.busy(now, now, None).since(now), Duration::from_secs(1));
    }

    #[test]
    fn a_burst_of_refusals_is_one_piece_of_news() {
        let mut rest = Rest::default();
        for _ in 0..32 {
            assert_eq!(rest.busy(at(0), at(5), None), at(6));
        }
    }

    #[test]
    fn a_short_rest_does_not_cut_a_longer_one_off() {
        let mut rest = Rest::default();
        rest.busy(at(0), at(1), Some(Duration::from_secs(60)));
        assert_eq!(rest.busy(at(0), at(2), None), at(61));
    }

    #[test]
    fn a_person_is_told_how_long_and_why() {
        let mut rest = Rest::default();
        rest.busy(at(0), at(0), Some(Duration::from_secs(3)));
        assert_eq!(
            rest.reason(at(1)),
            "resting for 2 s more: it asked for that with Retry-After"
        );
    }
}
