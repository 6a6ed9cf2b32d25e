//! Followers: a place among the events that are kept.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Event, EventId, Shared};

/// What a follower gets to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Followed {
    /// Something happened.
    Event(Arc<Event>),
    /// So many events are not kept any more; `None` where they were another life's, so that nobody knows.
    Lost(Option<u64>),
}

/// Follows events. Costs nobody anything while it does not ask; dropping it ends it.
pub struct Follower {
    shared: Arc<Shared>,
    /// The number of the event it gets next.
    next: u64,
    /// What it named last is not ours.
    lost: bool,
}

impl fmt::Debug for Follower {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Follower")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Follower {
    pub(super) fn new(shared: Arc<Shared>, next: u64, lost: bool) -> Self {
        shared.followers.fetch_add(1, Ordering::Relaxed);
        Self { shared, next, lost }
    }

    /// The number of the last event it has come past: where to go on from.
    pub fn position(&self) -> EventId {
        EventId {
            life: self.shared.life,
            number: self.next - 1,
        }
    }

    /// The next event, as soon as there is one. Cancel safe.
    pub async fn next(&mut self) -> Followed {
        let shared = self.shared.clone();
        loop {
            let told = shared.told.notified();
            if let Some(followed) = self.try_next() {
                return followed;
            }
            told.await;
        }
    }

    /// The next event, if it has happened already.
    pub fn try_next(&mut self) -> Option<Followed> {
        if std::mem::take(&mut self.lost) {
            return Some(Followed::Lost(None));
        }
        let window = self.shared.window.lock();
        let oldest = window.oldest();
        if self.next < oldest {
            let lost = oldest - self.next;
            self.next = oldest;
            return Some(Followed::Lost(Some(lost)));
        }
        let event = window.events.get((self.next - oldest) as usize)?;
        self.next += 1;
        Some(Followed::Event(event.clone()))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.followers.fetch_sub(1, Ordering::Relaxed);
    }
}
