//! Providing for those who wait: who gets the next seat, in the order in which they would be served.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use plugin_api::contract::time::Tick;

use super::discard::Reason;
use super::share::{PAUSE, Shares};
use super::shelf::Resource;
use super::shelves::Shelves;
use super::specification::Specification;
use super::stock::Chores;
use super::want::Wish;
use crate::pool::core::Core;

impl Core {
    /// Has one started for everybody who waits, whom nothing suits that is ready, and for whom none is being started yet,
    /// as far as there are seats. Where there are none, idle ones make room, as is [fair](super::share): also those that
    /// would do for somebody whose turn is later. So it comes before these are granted.
    ///
    /// Called under the queue's lock, with those who wait in their order; the chores are for after it.
    pub(in crate::pool) fn provide<'a>(self: &Arc<Self>, waiting: impl Iterator<Item = &'a Wish>) -> Chores {
        let mut chores = Chores::default();
        if self.is_closed() {
            return chores;
        }
        let now = self.clock.now();
        let seats = &self.warm.seats;
        let waiting: Vec<_> = waiting.collect();
        let mut shelves = self.warm.shelves.lock();
        let mut shares = Shares::of(&shelves);
        let mut idle: usize = shelves.iter().map(|shelf| shelf.idle.len()).sum();
        // What is ready belongs to the first whom it suits.
        let mut given = HashSet::new();
        // Seats that will be free soon are spoken for by those who come first.
        let mut spoken_for = 0;
        let mut promised: HashMap<*const Specification, u32> = HashMap::new();
        let mut refused: Vec<&str> = Vec::new();
        let mut sought = None;
        for wish in &waiting {
            let specification = &wish.want.specification;
            let principal = &wish.want.principal;
            let Some(shelf) = shelves.get(specification) else {
                continue;
            };
            let free = |resource: &&Resource| !given.contains(&resource.slot.key);
            if let Some(ready) = shelf.suitable(principal, wish.want.uses, now).find(free) {
                given.insert(ready.slot.key);
                idle -= 1;
                if ready.owner.is_none() {
                    shares.gains(principal);
                }
                continue;
            }
            let promised = promised.entry(Arc::as_ptr(specification)).or_default();
            if *promised < shelf.starting {
                *promised += 1;
                shares.gains(principal);
                continue;
            }
            if !shelf.may_start(now) {
                continue;
            }
            if let Some(seat) = seats.take() {
                chores.start(self, shelf, seat);
                *promised += 1;
                shares.gains(principal);
                continue;
            }
            if seats.coming() <= spoken_for {
                if idle == 0 {
                    break;
                }
                if refused.contains(&&**principal) {
                    continue;
                }
                let sought = sought.get_or_insert_with(|| sought_by(&waiting, &shelves, now));
                let evicted = shelves.evict(seats.min_idle(), |resource| {
                    let key = resource.slot.key;
                    !given.contains(&key) && shares.yields(resource, sought.contains(&key), wish, now)
                });
                let Some(resource) = evicted else {
                    refused.push(principal);
                    continue;
                };
                idle -= 1;
                shares.loses(&resource);
                chores.discard(resource, Reason::Evicted);
            }
            spoken_for += 1;
            shares.gains(principal);
        }
        // With time what is idle yields to more.
        if idle > 0 && !refused.is_empty() {
            self.warm.alarm.set(now.after(PAUSE));
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

/// The idle ones that would do for somebody who waits.
fn sought_by(waiting: &[&Wish], shelves: &Shelves, now: Tick) -> HashSet<u64> {
    let idle = shelves.iter().flat_map(|shelf| &shelf.idle);
    idle.filter(|resource| waiting.iter().any(|wish| wish.want.is_suited_by(resource, now)))
        .map(|resource| resource.slot.key)
        .collect()
}
