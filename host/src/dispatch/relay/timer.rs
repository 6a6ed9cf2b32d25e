//! A time limit between two pieces, which costs nothing while pieces come.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Fires when nothing has happened for `limit`, or when everything has taken too long. A piece only notes the time; the timer itself is set on the
/// first wait and re-armed only when it fires.
#[derive(Debug)]
pub struct IdleTimer {
    limit: Duration,
    last: Instant,
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// Which limit has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// Nothing has happened for too long.
    Idle,
    /// Everything has taken too long.
    Deadline,
}

impl IdleTimer {
    /// A timer that starts now, and fires at `deadline` in any case.
    pub fn new(limit: Duration, deadline: Option<Instant>) -> Self {
        Self {
            limit,
            last: Instant::now(),
            deadline,
            sleep: None,
        }
    }

    /// Something happened.
    pub fn touch(&mut self) {
        self.last = Instant::now();
    }

    /// The limit.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Ready when the limit has passed; call it only where there is nothing else to do.
    pub fn poll_expired(&mut self, context: &mut Context<'_>) -> Poll<Expired> {
        loop {
            let due = self.deadline.map_or(self.last + self.limit, |deadline| {
                deadline.min(self.last + self.limit)
            });
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= due {
                let all = self.deadline.is_some_and(|deadline| deadline <= due);
                return Poll::Ready(if all { Expired::Deadline } else { Expired::Idle });
            }
            sleep.as_mut().reset(due);
        }
    }
}
