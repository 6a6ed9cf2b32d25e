//! The queue: requests that wait for an instance, and how they get one.
//!
//! A waiter is served by whoever makes something free: the request that ends, the probe that succeeds, the alarm
//! that ends a rest. None is overlooked, because a newcomer counts itself in *before* it looks for an instance, and
//! whoever frees one does so *before* looking whether anybody waits; one of the two sees the other.

mod estimate;
mod lanes;
mod order;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::time::Duration;

use parking_lot::Mutex;
use plugin_api::contract::metrics::Refused;
use plugin_api::contract::requirement::Requirement;
use plugin_api::contract::time::Tick;
use tokio::sync::oneshot;

use self::lanes::Lanes;
use self::order::{Offer, Order, Ticket};
use super::core::Core;
use super::lease::Lease;
use super::outlook::hopeless;
use super::pick::{Picked, pick};
use super::refusal::Refusal;
use super::tried::Tried;

/// A waiter rises by one class for each quarter of the time that a request may wait: low reaches urgent in three
/// quarters, and has the last for its turn.
const CLASSES_PER_TIMEOUT: u32 = 4;

/// The waiters of one hub.
#[derive(Debug)]
pub(super) struct Queue {
    line: Mutex<Line>,
    /// How many there are. Written under the lock, read without it.
    waiting: AtomicUsize,
    size: usize,
}

#[derive(Debug)]
struct Line {
    order: Order<Waiter>,
    lanes: Lanes,
}

#[derive(Debug)]
struct Waiter {
    requirement: Arc<Requirement>,
    tried: Tried,
    until: Tick,
    answer: oneshot::Sender<Answer>,
}

/// What a waiter is told: here is an instance, since when you waited; or there will be none.
pub(super) type Answer = Result<Granted, Refusal>;

/// An instance for a waiter.
#[derive(Debug)]
pub(super) struct Granted {
    lease: Lease,
    queued: Duration,
}

/// A place in the queue. Dropping it leaves the queue; an instance that was granted meanwhile goes to the next.
#[derive(Debug)]
pub(super) struct Waiting {
    core: Arc<Core>,
    ticket: Ticket,
    tried: Tried,
    answer: oneshot::Receiver<Answer>,
}

/// An answer on its way; sent once the lock is let go.
type Letter = (oneshot::Sender<Answer>, Answer);

impl Queue {
    pub(super) fn new(size: usize, timeout: Duration) -> Self {
        Self {
            line: Mutex::new(Line {
                order: Order::new(timeout / CLASSES_PER_TIMEOUT),
                lanes: Lanes::default(),
            }),
            waiting: AtomicUsize::new(0),
            size,
        }
    }

    /// How many wait. After something was made free, this is what tells whether anybody cares.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    fn recount(&self, line: &Line) {
        self.waiting.store(line.order.len(), Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }
}

impl Core {
    /// Gives what is free to whoever waits for it.
    #[inline]
    pub(super) fn pump(self: &Arc<Self>) {
        if self.queue.waiting() > 0 {
            self.serve(false);
        }
    }

    /// As [`pump`](Self::pump), and tells those who wait for nothing that they do. To be called when an instance
    /// can do less than before, or one that was hoped for has disappointed.
    pub(super) fn reconsider(self: &Arc<Self>) {
        if self.queue.waiting() > 0 {
            self.serve(true);
        }
    }

    fn serve(self: &Arc<Self>, dismiss: bool) {
        loop {
            let letters = {
                let mut line = self.queue.line.lock();
                let mut letters = line.grant(self);
                if dismiss {
                    letters.extend(line.dismiss(self));
                }
                self.queue.recount(&line);
                letters
            };
            // What came back is free again, and somebody behind may want it.
            if !self.send(letters) {
                return;
            }
        }
    }

    /// Sends answers. Whether an instance came back because its waiter had gone.
    fn send(&self, letters: Vec<Letter>) -> bool {
        let mut returned = false;
        for (waiter, answer) in letters {
            if let Err(Ok(granted)) = waiter.send(answer) {
                granted.lease.give_back();
                returned = true;
            }
        }
        returned
    }

    /// Joins the queue. Whoever can be served at that moment is, the newcomer included, each in turn; then a newcomer
    /// for whom there is no hope, or no room, is refused. With `stay` unset it does not need room, because it
    /// leaves at once if it was not served.
    pub(super) fn line_up(
        self: &Arc<Self>,
        requirement: &Requirement,
        principal: &str,
        tried: &Tried,
        until: Tick,
        stay: bool,
    ) -> Result<Waiting, Refusal> {
        let requirement = Arc::new(requirement.clone());
        let (sender, answer) = oneshot::channel();
        let waiter = Waiter {
            requirement: requirement.clone(),
            tried: *tried,
            until,
            answer: sender,
        };
        let now = self.clock.now();
        let (letters, joined) = {
            let mut line = self.queue.line.lock();
            let lane = line.lanes.join(&requirement);
            let ticket = line
                .order
                .push(principal, requirement.priority, lane, now, waiter);
            self.queue.recount(&line);
            let mut letters = line.grant(self);
            let joined = match line.order.holds(&ticket) {
                false => Ok(ticket),
                true => match hopeless(self, &requirement, until) {
                    Some(refusal) => Err((ticket, refusal)),
                    None if stay && line.order.len() > self.queue.size => {
                        match line.order.shed(principal, requirement.priority) {
                            Some(left) => {
                                line.lanes.leave(left.lane);
                                letters.push((left.payload.answer, Err(self.queue_full(line.order.len()))));
                                Ok(ticket)
                            }
                            None => Err((ticket, self.queue_full(line.order.len() - 1))),
                        }
                    }
                    None => Ok(ticket),
                },
            };
            let joined = joined.map_err(|(ticket, refusal)| {
                line.leave(&ticket);
                refusal
            });
            self.queue.recount(&line);
            (letters, joined)
        };
        if self.send(letters) {
            self.pump();
        }
        Ok(Waiting {
            core: self.clone(),
            ticket: joined?,
            tried: *tried,
            answer,
        })
    }

    fn queue_full(&self, ahead: usize) -> Refusal {
        Refusal::QueueFull {
            retry_after: self.queue_clears_in(ahead),
        }
    }

    /// Counts a refusal, on its way to the caller.
    pub(super) fn refused(&self, refusal: Refusal) -> Refusal {
        let why = match &refusal {
            Refusal::Unknown { .. } => Refused::Unknown,
            Refusal::NoneRoutable { .. } => Refused::NoneRoutable,
            Refusal::QueueFull { .. } => Refused::QueueFull,
            Refusal::QueueTimeout { .. } => Refused::QueueTimeout,
            Refusal::Closed => Refused::Closed,
            Refusal::AllBusy => return refusal,
        };
        self.metrics.refused(why);
        refusal
    }
}

impl Line {
    /// Everybody who can be served now, in order, with what they get.
    fn grant(&mut self, core: &Arc<Core>) -> Vec<Letter> {
        let now = core.clock.now();
        let (mut letters, mut blocked) = (Vec::new(), Vec::new());
        loop {
            let Self { order, lanes } = self;
            let taken = order.take(now, &mut blocked, |lane, waiter| {
                let others = u32::try_from(lanes.waiting(lane).saturating_sub(1)).unwrap_or(u32::MAX);
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
    fn dismiss(&mut self, core: &Arc<Core>) -> Vec<Letter> {
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
                    let verdict = hopeless(core, &waiter.requirement, waiter.until);
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

    fn leave(&mut self, ticket: &Ticket) -> Option<Waiter> {
        let left = self.order.remove(ticket)?;
        self.lanes.leave(left.lane);
        Some(left.payload)
    }
}

impl Waiting {
    /// The answer. Cancel safe.
    pub(super) async fn answer(&mut self) -> Result<Lease, Refusal> {
        match (&mut self.answer).await {
            Ok(Ok(granted)) => Ok(self.core.claim(granted, &self.tried)),
            Ok(Err(refusal)) => Err(refusal),
            // The sender lives in the queue until it is used, so the queue is gone.
            Err(_) => Err(Refusal::Closed),
        }
    }

    /// The answer, if it is there already.
    pub(super) fn try_answer(&mut self) -> Option<Result<Lease, Refusal>> {
        match self.answer.try_recv() {
            Ok(answer) => Some(answer.map(|granted| self.core.claim(granted, &self.tried))),
            Err(_) => None,
        }
    }
}

impl Core {
    fn claim(&self, granted: Granted, tried: &Tried) -> Lease {
        let Granted { mut lease, queued } = granted;
        if !queued.is_zero() {
            self.metrics.waited(queued);
        }
        lease.waited(queued, self.clock.now());
        lease.hand_over(tried)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // An answer that was sent meanwhile is dropped with the receiver, and with it the lease, which serves the next.
        let mut line = self.core.queue.line.lock();
        if line.leave(&self.ticket).is_some() {
            self.core.queue.recount(&line);
        }
    }
}
