//! The line: the order of those who wait, and serving them in it. Behind the queue's lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plugin_api::contract::requirement::Requirement;
use plugin_api::contract::time::Tick;
use tokio::sync::oneshot;

use super::lanes::Lanes;
use super::order::{Offer, Order, Ticket};
use super::{Answer, Granted, Letter};
use crate::pool::core::Core;
use crate::pool::outlook::hopeless;
use crate::pool::pick::{Picked, pick};
use crate::pool::refusal::Refusal;
use crate::pool::tried::Tried;
use crate::pool::warm::{Chores, Wish};

/// Who waits. Nothing is sent or published from in here: the lock is held.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) order: Order<Waiter>,
    pub(super) lanes: Lanes,
}

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) requirement: Arc<Requirement>,
    pub(super) tried: Tried,
    pub(super) until: Tick,
    /// What it wants of the warm pool, where it wants no ordinary instance.
    pub(super) wish: Option<Wish>,
    pub(super) answer: oneshot::Sender<Answer>,
}

impl Waiter {
    /// Why waiting is not worth it any more, if so.
    pub(super) fn hopeless(&self, core: &Core) -> Option<Refusal> {
        match &self.wish {
            Some(wish) => core.hopeless_warm(&wish.want, self.until),
            None => hopeless(core, &self.requirement, self.until),
        }
    }
}

impl Line {
    /// An empty one; waiting this long lifts a waiter by one class.
    pub(super) fn new(ageing: Duration) -> Self {
        Self {
            order: Order::new(ageing),
            lanes: Lanes::default(),
        }
    }

    /// Everybody who can be served now, in order, with what they get.
    pub(super) fn grant(&mut self, core: &Arc<Core>) -> Vec<Letter> {
        let now = core.clock.now();
        let (mut letters, mut blocked) = (Vec::new(), Vec::new());
        loop {
            let Self { order, lanes } = self;
            let taken = order.take(now, &mut blocked, |lane, waiter| {
                let others = u32::try_from(lanes.waiting(lane).saturating_sub(1)).unwrap_or(u32::MAX);
                if let Some(wish) = &waiter.wish {
                    return match core.grant_warm(wish) {
                        Some(lease) => Offer::Taken(lease),
                        None => Offer::Blocked,
                    };
                }
                match pick(core, &waiter.requirement, &waiter.tried, others) {
                    Picked::Lease(lease) => Offer::Taken(lease),
                    // What it has tried is its own affair.
                    Picked::Busy | Picked::Nobody if !waiter.tried.is_empty() => Offer::Skipped,
                    Picked::Busy | Picked::Nobody => Offer::Blocked,
                }
            });
            let Some((left, lease)) = taken else {
                return letters;
            };
            self.lanes.leave(left.lane);
            let queued = now.since(left.since);
            letters.push((left.payload.answer, Ok(Granted { lease, queued })));
        }
    }

    /// Everybody for whom there is no hope any more, with the reason.
    pub(super) fn dismiss(&mut self, core: &Arc<Core>) -> Vec<Letter> {
        // Within a lane, hope for the impatient is hope for the patient, and the other way round.
        let mut verdicts: HashMap<usize, (Tick, Option<Refusal>)> = HashMap::new();
        let mut dismissed = Vec::new();
        for (ticket, waiter) in self.order.iter() {
            let known = verdicts
                .get(&ticket.lane())
                .filter(|(until, verdict)| match verdict {
                    None => waiter.until >= *until,
                    Some(_) => waiter.until <= *until,
                });
            let verdict = match known {
                Some((_, verdict)) => verdict.clone(),
                None => {
                    let verdict = waiter.hopeless(core);
                    verdicts.insert(ticket.lane(), (waiter.until, verdict.clone()));
                    verdict
                }
            };
            dismissed.extend(verdict.map(|refusal| (ticket, refusal)));
        }
        let mut letters = Vec::new();
        for (ticket, refusal) in dismissed {
            if let Some(waiter) = self.leave(&ticket) {
                letters.push((waiter.answer, Err(refusal)));
            }
        }
        letters
    }

    /// Has resources started for those who wait for one, in order.
    pub(super) fn provide(&self, core: &Arc<Core>) -> Option<Chores> {
        core.is_wished_for()
            .then(|| core.provide(self.order.in_turn().filter_map(|waiter| waiter.wish.as_ref())))
    }

    /// The same, for a newcomer that was not served.
    pub(super) fn provide_for(&self, core: &Arc<Core>, newcomer: &Ticket) -> Option<Chores> {
        if let Some(wish) = self.order.get(newcomer).and_then(|waiter| waiter.wish.as_ref()) {
            core.missed(wish);
        }
        self.provide(core)
    }

    /// Takes a waiter out, if it is still there.
    pub(super) fn leave(&mut self, ticket: &Ticket) -> Option<Waiter> {
        let left = self.order.remove(ticket)?;
        self.lanes.leave(left.lane);
        Some(left.payload)
    }
}
