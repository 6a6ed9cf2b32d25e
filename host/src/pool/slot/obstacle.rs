//! What keeps requests from an instance, in words, so that status shows what a request would meet.

use plugin_api::contract::breaker::BreakerState;
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::time::Tick;

use super::Slot;
use crate::pool::gate::Closed;

/// What keeps requests from one that somebody has for himself.
pub(in crate::pool) const RESERVED: &str = "allocated exclusively";

/// What a breaker opened for.
#[derive(Debug)]
pub(super) struct Trouble {
    /// In a row, or so far within the window.
    pub(super) failures: u32,
    pub(super) last: Outcome,
}

impl Slot {
    /// What keeps requests from it, for a person; `None` if nothing does.
    pub(in crate::pool) fn obstacle(&self, now: Tick) -> Option<String> {
        let reading = self.gate.read();
        let closed = reading.closed;
        if closed.has(Closed::REMOVED) {
            return Some("removed".into());
        }
        let condition = self.condition.lock();
        if !closed.only(&[Closed::RESTING, Closed::BREAKER, Closed::ALLOCATED]) {
            let state = condition.state().name();
            return Some(
                condition
                    .reason()
                    .map_or_else(|| state.to_owned(), |why| format!("{state}: {why}")),
            );
        }
        drop(condition);
        if closed.has(Closed::ALLOCATED) {
            // Not by whom: this reaches every caller.
            return Some(RESERVED.into());
        }
        if closed.has(Closed::BREAKER) {
            return Some(self.breaker_obstacle(now));
        }
        if closed.has(Closed::RESTING) {
            return Some(self.rest.lock().reason(now));
        }
        reading
            .full()
            .then(|| format!("at capacity: {} of {}", reading.in_flight, reading.limit))
    }

    fn breaker_obstacle(&self, now: Tick) -> String {
        let status = self.breaker.status(now);
        let cause = self.trouble.lock().as_ref().map_or_else(String::new, |trouble| {
            let failures = match trouble.failures {
                1 => "a failure".to_owned(),
                many => format!("{many} failures"),
            };
            format!(" after {failures}: {}", describe(trouble.last))
        });
        match (status.state, self.breaker.retry_at()) {
            (BreakerState::Open, Some(until)) => {
                format!(
                    "breaker open for {} s more{cause}",
                    until.since(now).as_secs_f64().ceil()
                )
            }
            _ => format!(
                "breaker half-open, {} trial requests under way{cause}",
                status.trials
            ),
        }
    }
}

fn describe(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::ConnectFailed => "connection failed",
        Outcome::TimedOut => "no answer in time",
        Outcome::ServerError => "it answered with an error of its own",
        Outcome::StreamBroken => "it broke off in the middle of an answer",
        other => other.label(),
    }
}
