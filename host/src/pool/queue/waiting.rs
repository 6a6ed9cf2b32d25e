//! Waiting: the waiter's own end of the queue.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Answer;
use super::order::Ticket;
use crate::pool::core::Core;
use crate::pool::lease::Lease;
use crate::pool::refusal::Refusal;
use crate::pool::tried::Tried;

/// An instance for a waiter.
#[derive(Debug)]
pub(in crate::pool) struct Granted {
    pub(super) lease: Lease,
    pub(super) queued: Duration,
}

/// A place in the queue. Dropping it leaves the queue; an instance that was granted meanwhile goes to the next.
#[derive(Debug)]
pub(in crate::pool) struct Waiting {
    pub(super) core: Arc<Core>,
    pub(super) ticket: Ticket,
    pub(super) tried: Tried,
    pub(super) answer: oneshot::Receiver<Answer>,
}

impl Waiting {
    /// The answer. Cancel safe.
    pub(in crate::pool) async fn answer(&mut self) -> Result<Lease, Refusal> {
        match (&mut self.answer).await {
            Ok(Ok(granted)) => Ok(self.core.claim(granted, &self.tried)),
            Ok(Err(refusal)) => Err(refusal),
            // The sender lives in the queue until it is used, so the queue is gone.
            Err(_) => Err(Refusal::Closed),
        }
    }

    /// The answer, if it is there already.
    pub(in crate::pool) fn try_answer(&mut self) -> Option<Result<Lease, Refusal>> {
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
