//! A shelf: the resources of one specification.

use std::sync::Arc;
use std::time::Duration;

use plugin_api::contract::breaker::{Permit, Transition};
use plugin_api::contract::time::Tick;

use super::demand::Demand;
use super::seats::Seat;
use super::setback::Setback;
use super::specification::Specification;
use crate::pool::slot::Slot;

/// A running resource. There is one of these for each, and whoever has it decides what becomes of it: it lies on its
/// shelf, or is with a lease, with a reset, or with its stop. So none can be held twice.
#[derive(Debug)]
pub(in crate::pool) struct Resource {
    pub(in crate::pool) slot: Arc<Slot>,
    pub(super) specification: Arc<Specification>,
    /// The only one who may still use it, once somebody has.
    pub(super) owner: Option<Arc<str>>,
    pub(super) uses: u32,
    pub(super) born: Tick,
    /// When its owner got it, once it has one.
    pub(super) owned_since: Tick,
    /// When it was last laid on its shelf.
    pub(super) idle_since: Tick,
    /// When it is too old to be used again.
    pub(super) retires: Tick,
    pub(super) seat: Seat,
}

impl Resource {
    /// Whether this principal may use it, if it was used fewer times than this.
    pub(super) fn suits(&self, principal: &str, uses: u32, now: Tick) -> bool {
        let is_for = match &self.owner {
            Some(owner) => **owner == *principal && self.uses < uses,
            None => true,
        };
        is_for && self.retires > now
    }
}

/// A resource, and the leave to use it now.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) resource: Resource,
    pub(super) permit: Permit,
    pub(super) transition: Option<Transition>,
    /// Of before it was entered, so that no loss goes unnoticed.
    pub(super) losses: u64,
}

/// The resources of one specification, and what is known about the need for them. Behind the lock of all shelves.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) specification: Arc<Specification>,
    /// Those nobody uses, the longest idle first.
    pub(super) idle: Vec<Resource>,
    /// Those in use, and those that are being made as good as new: slot and owner.
    pub(super) held: Vec<(u64, Arc<str>)>,
    /// How many are being started.
    pub(super) starting: u32,
    /// How many want it kept ready, whether or not it is asked for.
    pub(super) kept: u32,
    pub(super) demand: Demand,
    /// Requests that needed one nobody had used yet, as long as none of them came late after the one before.
    repeated: u32,
    /// When the last of them came…
    pub(super) wanted: Tick,
    /// …and whose it was.
    pub(super) wanted_by: Option<Arc<str>>,
    pub(super) setback: Option<Setback>,
    /// When somebody last asked for it.
    pub(super) asked: Tick,
}

impl Shelf {
    pub(super) fn new(specification: Arc<Specification>, now: Tick) -> Self {
        Self {
            specification,
            idle: Vec::new(),
            held: Vec::new(),
            starting: 0,
            kept: 0,
            demand: Demand::default(),
            repeated: 0,
            wanted: now,
            wanted_by: None,
            setback: None,
            asked: now,
        }
    }

    /// A request needs one that nobody has used yet. It comes late if it comes after `patience`.
    pub(super) fn wanted(&mut self, by: &Arc<str>, patience: Duration, now: Tick) {
        let in_time = now.since(self.wanted) < patience;
        self.repeated = if in_time {
            self.repeated.saturating_add(1)
        } else {
            1
        };
        self.wanted = now;
        self.wanted_by = Some(by.clone());
        self.demand.wanted(now);
    }

    /// Takes one down for this principal: of its own the latest used, else one that nobody has used. One that is
    /// closed, for whatever reason, is left to whoever closed it.
    pub(super) fn take(&mut self, principal: &str, uses: u32, turn: u64, now: Tick) -> Option<Taken> {
        for own in [true, false] {
            for index in (0..self.idle.len()).rev() {
                let resource = &self.idle[index];
                if resource.owner.is_some() != own || !resource.suits(principal, uses, now) {
                    continue;
                }
                let losses = resource.slot.losses();
                if let Some((permit, transition)) = resource.slot.enter(turn, now) {
                    return Some(Taken {
                        resource: self.idle.remove(index),
                        permit,
                        transition,
                        losses,
                    });
                }
            }
        }
        None
    }

    /// Those that [`take`](Self::take) would take down, in this order.
    pub(super) fn suitable(&self, principal: &str, uses: u32, now: Tick) -> impl Iterator<Item = &Resource> {
        [true, false].into_iter().flat_map(move |own| {
            let of_these = move |resource: &&Resource| {
                resource.owner.is_some() == own && resource.suits(principal, uses, now)
            };
            self.idle.iter().rev().filter(of_these)
        })
    }

    /// Lays one on the shelf. `Err`: it cannot be used any more.
    pub(super) fn put(&mut self, mut resource: Resource, now: Tick) -> Result<(), Resource> {
        // Whoever closes it looks for it here afterwards, so one of the two sees the other.
        if !resource.slot.gate.read().closed.is_open() {
            return Err(resource);
        }
        resource.idle_since = now;
        self.idle.push(resource);
        Ok(())
    }

    /// It is no longer held.
    pub(super) fn released(&mut self, key: u64) {
        self.held.retain(|(held, _)| *held != key);
    }

    /// How many are ready for anybody.
    pub(super) fn unused(&self) -> impl Iterator<Item = &Resource> {
        self.idle.iter().filter(|resource| resource.owner.is_none())
    }

    /// Whether one more may be started. After a failure one is tried for all who wait, and nothing before its pause is
    /// over.
    pub(super) fn may_start(&self, now: Tick) -> bool {
        let failing = self.setback.as_ref().is_some_and(|setback| !setback.is_lifted());
        let trial = failing && self.starting > 0;
        !self.rests(now) && !trial
    }

    /// How many requests wait for one that is not being started yet and could be.
    pub(super) fn uncovered(&self, now: Tick) -> usize {
        if !self.may_start(now) {
            return 0;
        }
        self.specification
            .waiting()
            .saturating_sub(self.starting as usize)
    }

    /// Whether nothing is started at the moment, because that failed.
    pub(super) fn rests(&self, now: Tick) -> bool {
        self.setback
            .as_ref()
            .is_some_and(|setback| setback.lasts_until(now).is_some())
    }

    /// How many should be ready for anybody; `patience` is how long a kind that nobody asks for is kept.
    pub(super) fn target(&mut self, min_idle: u32, patience: Duration, now: Tick) -> u32 {
        if now.since(self.asked) >= patience {
            return if self.is_kept() { min_idle } else { 0 };
        }
        let own = self
            .idle
            .iter()
            .filter(|resource| resource.owner.is_some())
            .count();
        let demand = self.demand.target(now);
        let called_for = self.repeated > 1 && now.since(self.wanted) < patience;
        let least = if self.is_kept() || called_for { min_idle } else { 0 };
        demand
            .saturating_sub(u32::try_from(own).unwrap_or(u32::MAX))
            .max(least)
    }

    /// On whose account a resource that lies here is there, if on anybody's: whoever has used it, or else, where nobody
    /// wants the kind kept, whoever last needed one.
    pub(super) fn account<'a>(&'a self, resource: &'a Resource) -> Option<&'a str> {
        let wanted_by = self.wanted_by.as_ref().filter(|_| !self.is_kept());
        resource.owner.as_ref().or(wanted_by).map(|who| &**who)
    }

    /// Whether it is kept ready, whether or not it is asked for.
    pub(super) fn is_kept(&self) -> bool {
        self.kept > 0
    }

    /// Whether it has, and is about to have, nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.held.is_empty() && self.starting == 0
    }
}
