//! The registry: every instance of a hub, indexed for choosing among them without a lock.

mod snapshot;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use plugin_api::contract::instance::{Capability, ResourceInstance};
use plugin_api::contract::reference::normalise;
use plugin_api::contract::time::Tick;

pub(super) use snapshot::Snapshot;

use super::alarm::Alarm;
use super::gate::Closed;
use super::group::Group;
use super::holders::Holders;
use super::notes::{Note, Seen};
use super::slot::{Phase, Policies, Slot};
use super::warm::Specification;

/// Keys are never used again, in any pool: connections to instances are kept by them.
static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

/// Lists of candidates up to this long are made anew with every change; longer ones at most so often that making
/// them takes a few per cent of a core.
const SMALL: usize = 256;
const PAUSE_PER_CANDIDATE: Duration = Duration::from_micros(10);

/// Empty entries are kept for this many capabilities that went away with their instances.
const REMEMBERED: usize = 4096;

/// Every instance of one hub. Readers load a [`Snapshot`]; writers make the next one under a lock.
#[derive(Debug)]
pub(super) struct Registry {
    snapshot: ArcSwap<Snapshot>,
    writer: Mutex<Writer>,
    policies: Policies,
    default_limit: Option<u32>,
    alarm: Arc<Alarm>,
}

#[derive(Debug, Default)]
struct Writer {
    /// Places that were given up; the next one beyond them is `places`.
    free: Vec<usize>,
    places: usize,
    /// When the candidates of a long list were last listed.
    listed: HashMap<Arc<str>, Tick>,
    /// Capabilities whose candidates have to be listed anew.
    stale: BTreeSet<Arc<str>>,
}

impl Registry {
    /// `fetching`: instances may be told to fetch capabilities they do not have.
    pub(super) fn new(
        policies: Policies,
        default_limit: Option<u32>,
        fetching: bool,
        alarm: Arc<Alarm>,
    ) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(Snapshot::empty(fetching)),
            writer: Mutex::default(),
            policies,
            default_limit,
            alarm,
        }
    }

    /// The instances now.
    #[inline]
    pub(super) fn load(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// What each slot is made with.
    pub(super) fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The slot of this id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Slot>> {
        self.load().by_id.get(id).cloned()
    }

    /// Every slot, those of the warm pool included, in the order of registration.
    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        let snapshot = self.load();
        let ordinary = snapshot.everyone.slots();
        if snapshot.by_id.len() == ordinary.len() {
            return ordinary.to_vec();
        }
        let mut all: Vec<_> = snapshot.by_id.values().cloned().collect();
        all.sort_unstable_by_key(|slot| slot.key);
        all
    }

    /// Adds instances; those whose id is known already are left out.
    pub(super) fn register(
        &self,
        instances: impl IntoIterator<Item = (ResourceInstance, Phase)>,
        now: Tick,
    ) -> Vec<Arc<Slot>> {
        let mut writer = self.writer.lock();
        let mut next = Snapshot::clone(&self.load());
        let mut by_id = HashMap::clone(&next.by_id);
        let mut added = Vec::new();
        for (instance, phase) in instances {
            if by_id.contains_key(instance.id.as_str()) {
                continue;
            }
            let place = writer.place();
            let key = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
            let slot = Arc::new(Slot::new(key, place, instance, phase, &self.policies, now));
            self.set_limit(&slot);
            by_id.insert(slot.id.clone(), slot.clone());
            added.push(slot);
        }
        next.by_id = by_id.into();
        next.list_everyone();
        for slot in &added {
            next.index(slot, &[], &slot.instance.load().capabilities, &mut writer.stale);
            next.relist(slot, &mut writer.stale);
        }
        self.publish(&mut writer, next, now);
        added
    }

    /// Adds a resource of the warm pool, which can be found by its id and is in no list that requests choose from. `None`:
    /// the id is known already.
    pub(super) fn register_warm(
        &self,
        instance: ResourceInstance,
        specification: Arc<Specification>,
        now: Tick,
    ) -> Option<Arc<Slot>> {
        let mut writer = self.writer.lock();
        let mut next = Snapshot::clone(&self.load());
        if next.by_id.contains_key(instance.id.as_str()) {
            return None;
        }
        let mut by_id = HashMap::clone(&next.by_id);
        let place = writer.place();
        let key = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
        let slot = Slot::new(key, place, instance, Phase::Serving, &self.policies, now);
        let slot = Arc::new(slot.warm(specification, now));
        self.set_limit(&slot);
        by_id.insert(slot.id.clone(), slot.clone());
        next.by_id = by_id.into();
        self.publish(&mut writer, next, now);
        Some(slot)
    }

    /// Takes slots out. Requests that hold them are told; nobody else gets them. Answers those that were still there.
    pub(super) fn unregister<'a>(&self, slots: &'a [Arc<Slot>], now: Tick) -> Vec<&'a Arc<Slot>> {
        let mut writer = self.writer.lock();
        let mut next = Snapshot::clone(&self.load());
        let mut by_id = HashMap::clone(&next.by_id);
        let mut removed = Vec::new();
        for slot in slots {
            if !slot.gate.close(Closed::REMOVED) {
                continue;
            }
            by_id.remove(&slot.id);
            next.forget(slot, &mut writer.stale);
            writer.free.push(slot.place);
            slot.retired.cancel();
            slot.lose();
            removed.push(slot);
        }
        if next.capabilities.len() > REMEMBERED {
            next.capabilities.retain(|_, holders| !holders.is_empty());
        }
        next.by_id = by_id.into();
        if removed.iter().any(|slot| slot.warm.is_none()) {
            next.list_everyone();
        }
        self.publish(&mut writer, next, now);
        removed
    }

    /// The hub describes an instance anew: everything is taken over but what it can do, unless it says so.
    pub(super) fn describe(&self, slot: &Arc<Slot>, mut instance: ResourceInstance, now: Tick) {
        let mut writer = self.writer.lock();
        let old = slot.instance.load_full();
        if instance.capabilities.is_empty() {
            instance.capabilities.clone_from(&old.capabilities);
        }
        if *old == instance {
            return;
        }
        let mut next = Snapshot::clone(&self.load());
        slot.instance.store(Arc::new(instance));
        self.set_limit(slot);
        next.list_everyone();
        next.index(
            slot,
            &old.capabilities,
            &slot.instance.load().capabilities,
            &mut writer.stale,
        );
        next.relist(slot, &mut writer.stale);
        self.publish(&mut writer, next, now);
    }

    /// A look that began at `seen` found that the instance can do these.
    pub(super) fn found(&self, slot: &Arc<Slot>, mut capabilities: Vec<Capability>, seen: Seen, now: Tick) {
        let mut writer = self.writer.lock();
        // What a warm resource can do is between whoever specified it and the hub.
        if slot.warm.is_none() && slot.notes.lock().merge(seen, &mut capabilities) {
            self.set_capabilities(&mut writer, slot, capabilities, now);
        }
    }

    /// We know better than the last look.
    pub(super) fn note(&self, slot: &Arc<Slot>, name: &str, note: Note, now: Tick) {
        if slot.warm.is_some() {
            return;
        }
        let mut writer = self.writer.lock();
        let mut capabilities = slot.instance.load().capabilities.clone();
        slot.notes.lock().take(name, note, &mut capabilities);
        self.set_capabilities(&mut writer, slot, capabilities, now);
    }

    fn set_capabilities(
        &self,
        writer: &mut Writer,
        slot: &Arc<Slot>,
        capabilities: Vec<Capability>,
        now: Tick,
    ) {
        let old = slot.instance.load_full();
        if old.capabilities == capabilities || slot.gate.read().closed.has(Closed::REMOVED) {
            return;
        }
        let mut next = Snapshot::clone(&self.load());
        next.index(slot, &old.capabilities, &capabilities, &mut writer.stale);
        slot.instance.store(Arc::new(ResourceInstance {
            capabilities,
            ..ResourceInstance::clone(&old)
        }));
        self.publish(writer, next, now);
    }

    /// A preparation begins or ends on an instance.
    pub(super) fn prepare(&self, slot: &Arc<Slot>, name: &str, under_way: bool, now: Tick) {
        let mut writer = self.writer.lock();
        if slot.gate.read().closed.has(Closed::REMOVED) {
            return;
        }
        let mut next = Snapshot::clone(&self.load());
        next.edit(&normalise(name), &mut writer.stale, |holders| {
            holders.prepare(slot.place, under_way)
        });
        self.publish(&mut writer, next, now);
    }

    /// How many requests the slot takes at once, from whoever says so first: its description, its last probe, the
    /// operator's default for the hub.
    pub(super) fn set_limit(&self, slot: &Slot) {
        let described = slot.instance.load().max_concurrent;
        let found = slot.facts.lock().max_concurrent;
        if slot.warm.is_some() {
            return slot.gate.limit(Some(1));
        }
        slot.gate.limit(described.or(found).or(self.default_limit));
    }

    /// Lists the candidates of capabilities whose turn it is.
    pub(super) fn tidy(&self, now: Tick) {
        let mut writer = self.writer.lock();
        if !writer.stale.is_empty() {
            let next = Snapshot::clone(&self.load());
            self.publish(&mut writer, next, now);
        }
    }

    fn publish(&self, writer: &mut Writer, mut next: Snapshot, now: Tick) {
        let everyone = next.everyone.clone();
        let fetching = next.fetching;
        for name in std::mem::take(&mut writer.stale) {
            let Some(holders) = next.capabilities.get_mut(&name) else {
                writer.listed.remove(&name);
                continue;
            };
            let candidates = holders.group().slots().len();
            let due = match writer.listed.get(&name) {
                Some(listed) if candidates > SMALL => listed.after(PAUSE_PER_CANDIDATE * candidates as u32),
                _ => now,
            };
            if due > now {
                self.alarm.set(due);
                writer.stale.insert(name);
                continue;
            }
            Arc::make_mut(holders).regroup(&everyone, fetching);
            writer.listed.insert(name, now);
        }
        self.snapshot.store(Arc::new(next));
        // Whoever published looks next whether somebody waits for what is new; see the queue's promise.
        fence(Ordering::SeqCst);
    }
}

impl Writer {
    fn place(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.places += 1;
            self.places - 1
        })
    }
}

/// Capabilities by normalised name; of several that are spelt alike the last counts.
fn by_name(capabilities: &[Capability]) -> BTreeMap<std::borrow::Cow<'_, str>, &Capability> {
    capabilities
        .iter()
        .map(|capability| (normalise(&capability.name), capability))
        .collect()
}

#[cfg(test)]
mod tests;
