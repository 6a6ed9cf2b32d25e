//! Seats: how many warm resources there may be, and how many there are.
//!
//! A resource has a seat from before its start begins until after its stop has ended, so that the maximum holds
//! whatever is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The seats of one hub. Any thread may take one and give it back, without a lock.
#[derive(Debug)]
pub(super) struct Seats {
    taken: AtomicU32,
    /// Those of them whose resource is being stopped: they will be free soon.
    clearing: AtomicU32,
    max: AtomicU32,
    min_idle: AtomicU32,
}

impl Seats {
    pub(super) fn new(min_idle: u32, max: u32) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicU32::new(0),
            clearing: AtomicU32::new(0),
            max: AtomicU32::new(max),
            min_idle: AtomicU32::new(min_idle.min(max)),
        })
    }

    /// Takes one, unless all are taken.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat> {
        let max = self.max();
        let more = |taken: u32| (taken < max).then_some(taken + 1);
        self.taken
            .try_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .ok()?;
        Some(Seat {
            seats: self.clone(),
            clearing: false,
        })
    }

    pub(super) fn taken(&self) -> u32 {
        self.taken.load(Ordering::SeqCst)
    }

    pub(super) fn clearing(&self) -> u32 {
        self.clearing.load(Ordering::SeqCst)
    }

    /// How many too many there are, after the maximum was lowered, once those that are being stopped are.
    pub(super) fn beyond(&self) -> u32 {
        self.taken()
            .saturating_sub(self.clearing())
            .saturating_sub(self.max())
    }

    /// How many there will be free once those that are being stopped are.
    pub(super) fn coming(&self) -> u32 {
        self.max()
            .saturating_sub(self.taken().saturating_sub(self.clearing()))
    }

    pub(super) fn max(&self) -> u32 {
        self.max.load(Ordering::SeqCst)
    }

    pub(super) fn min_idle(&self) -> u32 {
        self.min_idle.load(Ordering::SeqCst)
    }

    pub(super) fn set_bounds(&self, min_idle: u32, max: u32) {
        self.max.store(max, Ordering::SeqCst);
        self.min_idle.store(min_idle.min(max), Ordering::SeqCst);
    }
}

/// One resource's. Free again when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    clearing: bool,
}

impl Seat {
    /// Its resource is about to be stopped.
    pub(super) fn clear(&mut self) {
        if !self.clearing {
            self.clearing = true;
            self.seats.clearing.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // In this order: nobody may see more that are being stopped than there are.
        if self.clearing {
            self.seats.clearing.fetch_sub(1, Ordering::SeqCst);
        }
        self.seats.taken.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Seats;

    #[test]
    fn threads_that_race_for_seats_never_get_more_than_there_are() {
        const MAX: u32 = 3;
        let (seats, seated, most) = (Seats::new(1, MAX), AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        if let Some(seat) = seats.take() {
                            let now = seated.fetch_add(1, Ordering::SeqCst) + 1;
                            most.fetch_max(now, Ordering::SeqCst);
                            seated.fetch_sub(1, Ordering::SeqCst);
                            drop(seat);
                        }
                    }
                });
            }
        });
        assert!((1..=MAX).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(seats.taken(), 0);
    }

    #[test]
    fn those_that_are_being_stopped_count_until_they_are() {
        let seats = Seats::new(1, 2);
        let (mut first, second) = (seats.take().unwrap(), seats.take().unwrap());
        assert!(seats.take().is_none());
        first.clear();
        first.clear();
        assert_eq!((seats.taken(), seats.clearing()), (2, 1));
        assert!(seats.take().is_none());
        drop(first);
        assert_eq!((seats.taken(), seats.clearing()), (1, 0));
        seats.set_bounds(5, 0);
        assert_eq!((seats.min_idle(), seats.beyond()), (0, 1));
        drop(second);
        assert_eq!(seats.beyond(), 0);
    }
}
