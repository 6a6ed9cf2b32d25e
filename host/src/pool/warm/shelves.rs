//! The shelves of one hub.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use plugin_api::contract::time::Tick;
use serde_json::Value;

use super::shelf::{Resource, Shelf};
use super::specification::Specification;

/// More than this are looked through for some to be forgotten with each new one.
const MANY: usize = 256;

/// Shelves by specification. Behind one lock, which is held for lookups and never while anything is started.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    /// By the specification's hash; nearly always one each.
    by_hash: HashMap<u64, Vec<Shelf>, RandomState>,
    count: usize,
}

impl Shelves {
    /// The shelf for this, if there is one. Somebody has asked for it.
    pub(super) fn find(&mut self, value: &Value, hash: u64, now: Tick) -> Option<&mut Shelf> {
        let shelf = self
            .by_hash
            .get_mut(&hash)?
            .iter_mut()
            .find(|shelf| shelf.specification.value == *value)?;
        shelf.asked = now;
        Some(shelf)
    }

    /// Sets up a shelf for this. There is none.
    pub(super) fn add(&mut self, specification: Specification, now: Tick) -> Arc<Specification> {
        if self.count >= MANY {
            self.forget(|shelf| !shelf.is_kept());
        }
        self.count += 1;
        let specification = Arc::new(specification);
        self.by_hash
            .entry(specification.hash)
            .or_default()
            .push(Shelf::new(specification.clone(), now));
        specification
    }

    /// The shelf of a specification. There is one as long as somebody has the specification.
    pub(super) fn get(&mut self, specification: &Arc<Specification>) -> Option<&mut Shelf> {
        self.by_hash
            .get_mut(&specification.hash)?
            .iter_mut()
            .find(|shelf| Arc::ptr_eq(&shelf.specification, specification))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Shelf> {
        self.by_hash.values().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Shelf> {
        self.by_hash.values_mut().flatten()
    }

    /// Takes down the resource of this slot, if it is idle.
    pub(super) fn remove(&mut self, key: u64) -> Option<Resource> {
        self.iter_mut().find_map(|shelf| {
            let at = shelf.idle.iter().position(|resource| resource.slot.key == key)?;
            Some(shelf.idle.remove(at))
        })
    }

    /// Takes down the one that is missed least, of those that may go: what is to be kept ready last, and otherwise
    /// of whoever has most, so that nobody drives out the others by asking for ever new kinds; of equals the longest idle.
    pub(super) fn evict(&mut self, min_idle: u32, which: impl Fn(&Resource) -> bool) -> Option<Resource> {
        let mut counts: HashMap<&str, usize, RandomState> = HashMap::default();
        for shelf in self.iter() {
            let idle = shelf.idle.iter().filter_map(|resource| shelf.account(resource));
            let held = shelf.held.iter().map(|(_, principal)| &**principal);
            idle.chain(held)
                .for_each(|who| *counts.entry(who).or_default() += 1);
        }
        let rank = |shelf: &Shelf, resource: &Resource| {
            let promised =
                shelf.is_kept() && resource.owner.is_none() && shelf.unused().count() <= min_idle as usize;
            let account = shelf.account(resource).and_then(|who| counts.get(who));
            (
                promised,
                Reverse(account.copied().unwrap_or(1)),
                resource.idle_since,
            )
        };
        let ranked = self.iter().flat_map(|shelf| {
            let (rank, which) = (&rank, &which);
            shelf
                .idle
                .iter()
                .filter(move |resource| which(resource))
                .map(move |resource| (rank(shelf, resource), resource.slot.key))
        });
        let (_, key) = ranked.min_by_key(|(rank, _)| *rank)?;
        self.remove(key)
    }

    /// Takes down everything.
    pub(super) fn clear(&mut self) -> Vec<Resource> {
        self.iter_mut().flat_map(|shelf| shelf.idle.drain(..)).collect()
    }

    /// Drops those shelves of these that nobody has anything to do with.
    pub(super) fn forget(&mut self, which: impl Fn(&Shelf) -> bool) {
        let mut count = 0;
        self.by_hash.retain(|_, shelves| {
            // New references are only made from ours, under the lock that we are behind.
            shelves.retain(|shelf| {
                !shelf.is_empty() || Arc::strong_count(&shelf.specification) > 1 || !which(shelf)
            });
            count += shelves.len();
            !shelves.is_empty()
        });
        self.count = count;
    }
}
