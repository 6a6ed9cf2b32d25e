//! What choosing an instance reads: the registry at one moment.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use plugin_api::contract::balance::Reach;
use plugin_api::contract::instance::Capability;

use super::{Group, Holders, Slot, by_name};
use crate::pool::bits::Bits;

/// Every instance, and the indexes over them. Cloned and edited by the registry's writers; clones share what
/// is not edited.
#[derive(Debug, Clone)]
pub(in crate::pool) struct Snapshot {
    pub(in crate::pool) everyone: Arc<Group>,
    pub(in crate::pool) by_id: Arc<HashMap<Arc<str>, Arc<Slot>>>,
    tags: Arc<HashMap<String, Bits>>,
    dialects: Arc<HashMap<String, Bits>>,
    /// By normalised name. An empty entry is a capability that went away with its last instance: not unknown, only
    /// not there now.
    pub(in crate::pool) capabilities: HashMap<Arc<str>, Arc<Holders>>,
    /// Instances may be told to fetch what they do not have.
    pub(in crate::pool) fetching: bool,
}

impl Snapshot {
    pub(super) fn empty(fetching: bool) -> Self {
        Self {
            everyone: Arc::default(),
            by_id: Arc::default(),
            tags: Arc::default(),
            dialects: Arc::default(),
            capabilities: HashMap::new(),
            fetching,
        }
    }

    /// The instances with this tag; `None` where there are none.
    pub(in crate::pool) fn tagged(&self, tag: &str) -> Option<&Bits> {
        self.tags.get(tag)
    }

    /// The instances that speak this dialect; `None` where there are none.
    pub(in crate::pool) fn speaking(&self, dialect: &str) -> Option<&Bits> {
        self.dialects.get(dialect)
    }

    /// Indexes the slots of `by_id` that requests may choose from by what does not change with each probe.
    pub(super) fn list_everyone(&mut self) {
        self.everyone = Arc::new(Group::new(
            self.by_id
                .values()
                .filter(|slot| slot.warm.is_none())
                .map(|slot| (slot.clone(), Reach::Ready)),
        ));
        let (mut tags, mut dialects) = (HashMap::new(), HashMap::new());
        for slot in self.everyone.slots() {
            let instance = slot.instance.load();
            for tag in &instance.tags {
                mark(&mut tags, tag, slot.place);
            }
            for dialect in &instance.dialects {
                mark(&mut dialects, dialect, slot.place);
            }
        }
        self.tags = Arc::new(tags);
        self.dialects = Arc::new(dialects);
    }

    /// The slot could do `old`, and can do `new`.
    pub(super) fn index(
        &mut self,
        slot: &Slot,
        old: &[Capability],
        new: &[Capability],
        stale: &mut BTreeSet<Arc<str>>,
    ) {
        let (old, new) = (by_name(old), by_name(new));
        for (name, capability) in &new {
            if old.get(name) != Some(capability) || !self.has(name, slot.place) {
                self.edit(name, stale, |holders| holders.put(slot.place, capability));
            }
        }
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            self.edit(name, stale, |holders| holders.remove(slot.place));
            if self
                .capabilities
                .get(name.as_ref())
                .is_some_and(|holders| holders.is_empty())
            {
                self.capabilities.remove(name.as_ref());
            }
        }
    }

    /// Weight or tier of a slot changed, or there is a new one: every list it is in has to be made anew.
    pub(super) fn relist(&self, slot: &Slot, stale: &mut BTreeSet<Arc<str>>) {
        let listed = self
            .capabilities
            .iter()
            .filter(|(_, holders)| self.fetching || holders.has(slot.place));
        stale.extend(listed.map(|(name, _)| name.clone()));
    }

    /// The slot is gone, with all it could do.
    pub(super) fn forget(&mut self, slot: &Slot, stale: &mut BTreeSet<Arc<str>>) {
        for (name, holders) in &mut self.capabilities {
            if self.fetching || !matches!(holders.reach(slot.place, &Default::default()), Reach::Absent) {
                let holders = Arc::make_mut(holders);
                holders.remove(slot.place);
                holders.prepare(slot.place, false);
                stale.insert(name.clone());
            }
        }
    }

    pub(super) fn edit(
        &mut self,
        name: &str,
        stale: &mut BTreeSet<Arc<str>>,
        change: impl FnOnce(&mut Holders),
    ) {
        let name: Arc<str> = match self.capabilities.get_key_value(name) {
            Some((known, _)) => known.clone(),
            None => name.into(),
        };
        let mut holders = self
            .capabilities
            .get(&name)
            .map(|known| Holders::clone(known))
            .unwrap_or_default();
        change(&mut holders);
        self.capabilities.insert(name.clone(), Arc::new(holders));
        stale.insert(name);
    }

    fn has(&self, name: &str, place: usize) -> bool {
        self.capabilities
            .get(name)
            .is_some_and(|holders| holders.has(place))
    }
}

fn mark(sets: &mut HashMap<String, Bits>, name: &str, place: usize) {
    match sets.get_mut(name) {
        Some(set) => set.set(place, true),
        None => {
            sets.insert(name.to_owned(), Bits::from_iter([place]));
        }
    }
}
