//! Slots: how many things at once, counted by a guard that cannot forget to give back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many at once and no more.
#[derive(Debug)]
pub(super) struct Slots {
    taken: AtomicUsize,
    limit: usize,
}

impl Slots {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicUsize::new(0),
            limit,
        })
    }

    /// One of them, or `None` when all are taken. Never waits.
    pub(super) fn take(self: &Arc<Self>) -> Option<Slot> {
        // Adding first and taking back on overflow needs no loop. The count may read too high for a moment,
        // which can only refuse, never let too many in.
        if self.taken.fetch_add(1, Ordering::Relaxed) < self.limit {
            return Some(Slot(self.clone()));
        }
        self.taken.fetch_sub(1, Ordering::Relaxed);
        None
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }
}

/// One slot, given back on drop.
#[derive(Debug)]
pub(super) struct Slot(Arc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_are_taken_and_each_comes_back() {
        let slots = Slots::new(2);
        let first = slots.take().unwrap();
        let second = slots.take().unwrap();
        assert!(slots.take().is_none());
        drop(first);
        assert!(slots.take().is_some());
        drop(second);
        assert_eq!(slots.taken(), 0);
    }

    #[test]
    fn threads_that_race_never_hold_more_than_the_limit() {
        let slots = Slots::new(3);
        let held = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        if let Some(slot) = slots.take() {
                            assert!(held.fetch_add(1, Ordering::SeqCst) < 3);
                            held.fetch_sub(1, Ordering::SeqCst);
                            drop(slot);
                        }
                    }
                });
            }
        });
        assert_eq!(slots.taken(), 0);
    }
}
