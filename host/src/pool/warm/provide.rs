//! Providing for those who wait: who gets the next seat, in the order in which they would be served.

use std::collections::HashMap;
use std::sync::Arc;

use super::discard::Reason;
use super::specification::Specification;
use super::stock::Chores;
use super::want::Wish;
use crate::pool::core::Core;

impl Core {
    /// Has one started for everybody who waits and for whom none is being started yet, as far as there are seats. Where
    /// there are none, idle ones make room: none of them will do for anybody who waits, or they would have it.
    ///
    /// Called under the queue's lock, with those who wait in their order; the chores are for after it.
    pub(in crate::pool) fn provide<'a>(self: &Arc<Self>, waiting: impl Iterator<Item = &'a Wish>) -> Chores {
        let mut chores = Chores::default();
        if self.is_closed() {
            return chores;
        }
        let now = self.clock.now();
        let seats = &self.warm.seats;
        let mut shelves = self.warm.shelves.lock();
        // Seats that will be free soon are spoken for by those who come first.
        let mut spoken_for = 0;
        let mut promised: HashMap<*const Specification, u32> = HashMap::new();
        for wish in waiting {
            let specification = &wish.want.specification;
            let Some(shelf) = shelves.get(specification) else {
                continue;
            };
            let promised = promised.entry(Arc::as_ptr(specification)).or_default();
            if *promised < shelf.starting {
                *promised += 1;
                continue;
            }
            if !shelf.may_start(now) {
                continue;
            }
            if let Some(seat) = seats.take() {
                chores.start(self, shelf, seat);
                *promised += 1;
                continue;
            }
            if seats.coming() <= spoken_for {
                match shelves.evict(seats.min_idle(), |_| true) {
                    Some(resource) => chores.discard(resource, Reason::Evicted),
                    None => break,
                }
            }
            spoken_for += 1;
        }
        chores
    }

    /// Whether anybody waits for a warm resource.
    #[inline]
    pub(in crate::pool) fn is_wished_for(&self) -> bool {
        self.warm.waiting() > 0
    }

    /// A request is about to wait, because nothing was ready.
    pub(in crate::pool) fn missed(&self, wish: &Wish) {
        let now = self.clock.now();
        if let Some(shelf) = self.warm.shelves.lock().get(&wish.want.specification) {
            shelf.wanted(&wish.want.principal, self.settings.warm.idle_timeout, now);
        }
    }
}
