//! The queue: requests that wait for an instance, and how they get one.
//!
//! A waiter is served by whoever makes something free: the request that ends, the probe that succeeds, the alarm
//! that ends a rest. None is overlooked, because a newcomer counts itself in *before* it looks for an instance, and
//! whoever frees one does so *before* looking whether anybody waits; one of the two sees the other.

mod estimate;
mod lanes;
mod line;
mod order;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::time::Duration;

use parking_lot::Mutex;
use plugin_api::contract::metrics::Refused;
use plugin_api::contract::requirement::Requirement;
use plugin_api::contract::time::Tick;
use tokio::sync::oneshot;

use self::line::{Line, Waiter};
pub(super) use self::waiting::{Granted, Waiting};
use super::core::Core;
use super::refusal::Refusal;
use super::tried::Tried;
use super::warm::Want;

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

/// What a waiter is told: here is an instance, since when you waited; or there will be none.
type Answer = Result<Granted, Refusal>;

/// An answer on its way; sent once the lock is let go.
type Letter = (oneshot::Sender<Answer>, Answer);

impl Queue {
    pub(super) fn new(size: usize, timeout: Duration) -> Self {
        Self {
            line: Mutex::new(Line::new(timeout / CLASSES_PER_TIMEOUT)),
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
            let (letters, chores) = {
                let mut line = self.queue.line.lock();
                // First: what came back may have to make room for somebody whom it does not suit.
                let chores = line.provide(self);
                let mut letters = line.grant(self);
                if dismiss {
                    letters.extend(line.dismiss(self));
                }
                self.queue.recount(&line);
                (letters, chores)
            };
            if let Some(chores) = chores {
                self.attend(chores);
            }
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
        want: Option<Want>,
        stay: bool,
    ) -> Result<Waiting, Refusal> {
        let requirement = Arc::new(match &want {
            None => requirement.clone(),
            // The specification may be long, and is in the want already.
            Some(_) => Requirement {
                priority: requirement.priority,
                ..Requirement::default()
            },
        });
        let lane = want.clone();
        let (sender, answer) = oneshot::channel();
        let waiter = Waiter {
            requirement: requirement.clone(),
            tried: *tried,
            until,
            wish: want.map(|want| self.wish(want)),
            answer: sender,
        };
        let now = self.clock.now();
        let (letters, chores, joined) = {
            let mut line = self.queue.line.lock();
            let lane = line.lanes.join(&requirement, lane.as_ref());
            let ticket = line
                .order
                .push(principal, requirement.priority, lane, now, waiter);
            self.queue.recount(&line);
            let mut letters = line.grant(self);
            let joined = match line.order.get(&ticket).map(|waiter| waiter.hopeless(self)) {
                None => Ok(ticket),
                Some(Some(refusal)) => Err((ticket, refusal)),
                Some(None) if stay && line.order.len() > self.queue.size => {
                    match line.order.shed(principal, requirement.priority) {
                        Some(left) => {
                            line.lanes.leave(left.lane);
                            letters.push((left.payload.answer, Err(self.queue_full(line.order.len()))));
                            Ok(ticket)
                        }
                        None => Err((ticket, self.queue_full(line.order.len() - 1))),
                    }
                }
                Some(None) => Ok(ticket),
            };
            let joined = joined.map_err(|(ticket, refusal)| {
                line.leave(&ticket);
                refusal
            });
            self.queue.recount(&line);
            let chores = match &joined {
                Ok(ticket) if stay => line.provide_for(self, ticket),
                _ => None,
            };
            (letters, chores, joined)
        };
        if let Some(chores) = chores {
            self.attend(chores);
        }
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
            Refusal::Unknown { .. } | Refusal::StartsNothing => Refused::Unknown,
            Refusal::NoneRoutable { .. } | Refusal::NotStarted(_) => Refused::NoneRoutable,
            Refusal::QueueFull { .. } => Refused::QueueFull,
            Refusal::QueueTimeout { .. } => Refused::QueueTimeout,
            Refusal::Closed => Refused::Closed,
            Refusal::AllBusy => return refusal,
        };
        self.metrics.refused(why);
        refusal
    }
}

#[cfg(test)]
mod tests;
