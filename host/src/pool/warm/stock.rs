//! Keeping the shelves stocked: as many ready as are likely to be wanted, and no more.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plugin_api::contract::time::Tick;

use super::discard::Reason;
use super::seats::{Seat, Seats};
use super::setback::Setback;
use super::share::Shares;
use super::shelf::{Resource, Shelf};
use super::shelves::Shelves;
use super::specification::Specification;
use super::start::Starting;
use crate::config::settings::WarmSettings;
use crate::pool::core::Core;

/// What is kept for its demand alone is looked at again after this.
const AGAIN: Duration = Duration::from_secs(15);
/// Two looks are at least this far apart.
const CLOSEST: Duration = Duration::from_millis(10);

/// What is to be done once the shelves' lock is let go.
#[derive(Debug, Default)]
#[must_use]
pub(in crate::pool) struct Chores {
    starts: Vec<Starting>,
    discards: Vec<(Resource, Reason)>,
}

impl Chores {
    pub(super) fn start(&mut self, core: &Arc<Core>, shelf: &mut Shelf, seat: Seat) {
        shelf.starting += 1;
        self.starts
            .push(Starting::new(core.clone(), shelf.specification.clone(), seat));
    }

    pub(super) fn discard(&mut self, mut resource: Resource, reason: Reason) {
        resource.seat.clear();
        self.discards.push((resource, reason));
    }
}

impl Core {
    /// Looks after the shelves as things become due, until the pool is closed.
    pub(in crate::pool) async fn keep_warm(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.closed.cancelled() => return,
                () = self.warm.alarm.ring(self.clock) => {}
            }
            self.pump();
            self.tend();
        }
    }

    /// Does what chores there are. Not to be called under a lock.
    pub(in crate::pool) fn attend(self: &Arc<Self>, chores: Chores) {
        for (resource, reason) in chores.discards {
            self.discard(resource, reason);
        }
        for starting in chores.starts {
            self.starters.spawn_on(starting.run(), &self.runtime);
        }
    }

    /// Looks at every shelf: what is too old or too many goes, what is missing is started. Not to be called under a lock.
    pub(in crate::pool) fn tend(self: &Arc<Self>) {
        if self.is_closed() {
            return;
        }
        let now = self.clock.now();
        let mut chores = Chores::default();
        {
            let mut shelves = self.warm.shelves.lock();
            let (settings, seats) = (&self.settings.warm, &self.warm.seats);
            clear_out(&mut shelves, settings, seats, now, &mut chores);
            // Seats belong to those who wait first.
            if shelves.iter().all(|shelf| shelf.uncovered(now) == 0) {
                self.restock(&mut shelves, now, &mut chores);
            }
            shelves.forget(|shelf| is_forgotten(shelf, settings, now));
            let due = shelves
                .iter_mut()
                .filter_map(|shelf| next(shelf, settings, now))
                .min();
            drop(shelves);
            if let Some(due) = due {
                self.warm.alarm.set(due.max(now.after(CLOSEST)));
            }
        }
        self.attend(chores);
    }

    fn restock(self: &Arc<Self>, shelves: &mut Shelves, now: Tick, chores: &mut Chores) {
        let (settings, seats) = (&self.settings.warm, &self.warm.seats);
        let mut poor = None;
        for kept in [true, false] {
            let mut stocked: HashMap<Arc<str>, u32> = HashMap::new();
            for shelf in in_order(shelves, kept) {
                let hold = |setback: &Setback| setback.restocks_at() > now || (setback.is_final() && !kept);
                if shelf.setback.as_ref().is_some_and(hold) {
                    continue;
                }
                let target = shelf.target(seats.min_idle(), settings.idle_timeout, now);
                if let Some(who) = shelf.wanted_by.clone().filter(|_| !kept && target > 0) {
                    let kinds = stocked.entry(who).or_default();
                    *kinds += 1;
                    if *kinds > most_kinds(seats) {
                        continue;
                    }
                }
                let mut ready = ready(shelf, settings, now);
                while ready < target
                    && shelf.may_start(now)
                    && let Some(seat) = seats.take()
                {
                    chores.start(self, shelf, seat);
                    ready += 1;
                }
                if kept && ready < seats.min_idle() {
                    poor = Some(shelf.specification.clone());
                }
            }
        }
        // What was asked for by name goes before what happened to be used.
        if let Some(poor) = poor
            && seats.clearing() == 0
        {
            let shares = Shares::of(shelves);
            let full: Vec<_> = in_order(shelves, true)
                .into_iter()
                .filter(|shelf| shelf.idle.len() <= seats.min_idle() as usize)
                .map(|shelf| shelf.specification.clone())
                .collect();
            if let Some(resource) = shelves.evict(seats.min_idle(), |resource| {
                let its = |other: &Arc<Specification>| Arc::ptr_eq(&resource.specification, other);
                !its(&poor) && !full.iter().any(its) && !shares.is_kept_for_its_owner(resource, now)
            }) {
                chores.discard(resource, Reason::Evicted);
            }
        }
    }
}

/// The shelves of what somebody wants kept, or of the rest: what was wanted last comes first.
fn in_order(shelves: &mut Shelves, kept: bool) -> Vec<&mut Shelf> {
    let mut all: Vec<_> = shelves
        .iter_mut()
        .filter(|shelf| shelf.is_kept() == kept)
        .collect();
    all.sort_unstable_by_key(|shelf| Reverse(shelf.wanted));
    all
}

/// Kinds that nobody wants kept are made up for as they are used, and of one caller only so many: the last that it
/// wanted. Whoever makes up ever new kinds has those started that it uses, and no stock of them.
fn most_kinds(seats: &Seats) -> u32 {
    (seats.max() / 4).max(1)
}

/// How many are or will be ready for anybody, apart from those that are started for somebody. One that will be too old
/// before another could be started counts no more.
fn ready(shelf: &Shelf, settings: &WarmSettings, now: Tick) -> u32 {
    let soon = now.after(ahead(shelf, settings));
    let unused = shelf.unused().filter(|resource| resource.retires > soon).count();
    let spare = (shelf.starting as usize).saturating_sub(shelf.specification.waiting());
    u32::try_from(unused + spare).unwrap_or(u32::MAX)
}

/// How long before the end of a resource its successor is started.
fn ahead(shelf: &Shelf, settings: &WarmSettings) -> Duration {
    (shelf.demand.lead() * 2)
        .max(Duration::from_secs(1))
        .min(settings.max_lifetime / 4)
}

/// Takes down what is too old, idle for too long, or beyond the maximum.
fn clear_out(shelves: &mut Shelves, settings: &WarmSettings, seats: &Seats, now: Tick, chores: &mut Chores) {
    for shelf in shelves.iter_mut() {
        let target = shelf.target(seats.min_idle(), settings.idle_timeout, now) as usize;
        let mut unused = shelf.unused().count();
        let mut index = 0;
        while let Some(resource) = shelf.idle.get(index) {
            let idle = now.since(resource.idle_since) >= settings.idle_timeout;
            let surplus = resource.owner.is_some() || unused > target;
            let reason = match () {
                () if resource.retires <= now => Reason::TooOld,
                () if idle && surplus => Reason::Idle,
                () => {
                    index += 1;
                    continue;
                }
            };
            unused -= usize::from(resource.owner.is_none());
            chores.discard(shelf.idle.remove(index), reason);
        }
    }
    while seats.beyond() > 0
        && let Some(resource) = shelves.evict(seats.min_idle(), |_| true)
    {
        chores.discard(resource, Reason::Evicted);
    }
}

/// Nobody has asked for it for long, and nothing is left of it.
fn is_forgotten(shelf: &Shelf, settings: &WarmSettings, now: Tick) -> bool {
    !shelf.is_kept() && !shelf.rests(now) && now.since(shelf.asked) >= settings.idle_timeout
}

/// When the shelf has to be looked at again.
fn next(shelf: &mut Shelf, settings: &WarmSettings, now: Tick) -> Option<Tick> {
    let ahead = ahead(shelf, settings);
    let timeout = settings.idle_timeout;
    let resources = shelf.idle.iter().flat_map(|resource| {
        let left = resource.retires.since(now);
        let successor = left.checked_sub(ahead).filter(|left| !left.is_zero());
        [
            Some(resource.retires),
            successor.map(|left| now.after(left)),
            Some(resource.idle_since.after(timeout)),
        ]
    });
    let setback = shelf.setback.as_ref();
    let rest = setback.and_then(|setback| setback.lasts_until(now));
    let restock = setback.map(Setback::restocks_at);
    let asked = (!shelf.is_kept()).then(|| shelf.asked.after(timeout));
    let due = resources
        .chain([rest, restock, asked])
        .flatten()
        .filter(|due| *due > now)
        .min();
    let lingers = shelf.idle.len() > 1 || (!shelf.is_kept() && asked.is_some_and(|asked| asked <= now));
    let again = lingers.then(|| now.after(AGAIN));
    [due, again].into_iter().flatten().min()
}
