//! From a request to a resource on a shelf.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use plugin_api::contract::requirement::Requirement;
use plugin_api::contract::time::Tick;
use serde_json::Value;

use super::shelf::Resource;
use super::specification::{Specification, hash};
use super::{Held, Warm};
use crate::pool::core::Core;
use crate::pool::lease::Lease;
use crate::pool::refusal::Refusal;

/// What a request wants of the warm pool. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::pool) struct Want {
    pub(super) specification: Arc<Specification>,
    pub(super) principal: Arc<str>,
    /// How often the resource may be used, this time included.
    pub(super) uses: u32,
}

impl Want {
    /// Whether the same resources would do for both.
    pub(in crate::pool) fn same(&self, other: &Want) -> bool {
        Arc::ptr_eq(&self.specification, &other.specification)
            && self.principal == other.principal
            && self.uses == other.uses
    }

    /// Whether this resource, if it is idle, would do.
    pub(super) fn is_suited_by(&self, resource: &Resource, now: Tick) -> bool {
        Arc::ptr_eq(&self.specification, &resource.specification)
            && resource.suits(&self.principal, self.uses, now)
    }
}

/// A want that waits in the queue. Counts among those who wait until it is dropped.
#[derive(Debug)]
pub(in crate::pool) struct Wish {
    pub(in crate::pool) want: Want,
    pub(super) since: Tick,
    all: Arc<AtomicUsize>,
}

impl Drop for Wish {
    fn drop(&mut self) {
        self.want.specification.left();
        self.all.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Warm {
    /// The one specification for all requests that ask for the same. What is costly about it happens outside of the lock.
    fn know(&self, value: &Value, now: Tick) -> Arc<Specification> {
        let hash = hash(value);
        if let Some(shelf) = self.shelves.lock().find(value, hash, now) {
            return shelf.specification.clone();
        }
        let new = Specification::new(value, hash);
        let mut shelves = self.shelves.lock();
        // Somebody may have been quicker.
        match shelves.find(value, hash, now) {
            Some(shelf) => shelf.specification.clone(),
            None => shelves.add(new, now),
        }
    }
}

impl Core {
    /// What a request wants of the warm pool; `None` if it wants an ordinary instance.
    #[inline]
    pub(in crate::pool) fn want(
        &self,
        requirement: &Requirement,
        principal: &str,
    ) -> Result<Option<Want>, Refusal> {
        match &requirement.specification {
            None => Ok(None),
            Some(_) if self.is_closed() => Err(Refusal::Closed),
            Some(_) if !self.warm.able => Err(Refusal::StartsNothing),
            Some(specification) => {
                let limit = self.settings.warm.max_uses;
                Ok(Some(Want {
                    specification: self.warm.know(specification, self.clock.now()),
                    principal: principal.into(),
                    uses: requirement.max_uses.map_or(limit, |uses| uses.min(limit)).max(1),
                }))
            }
        }
    }

    /// A want that will wait.
    pub(in crate::pool) fn wish(&self, want: Want) -> Wish {
        want.specification.joined();
        self.warm.waiting.fetch_add(1, Ordering::SeqCst);
        Wish {
            want,
            since: self.clock.now(),
            all: self.warm.waiting.clone(),
        }
    }

    /// A resource that is ready, if there is one. May be called under the queue's lock.
    pub(in crate::pool) fn take_warm(self: &Arc<Self>, want: &Want) -> Option<Lease> {
        self.take_down(want, None)
    }

    /// The same for one who has waited.
    pub(in crate::pool) fn grant_warm(self: &Arc<Self>, wish: &Wish) -> Option<Lease> {
        self.take_down(&wish.want, Some(wish.since))
    }

    fn take_down(self: &Arc<Self>, want: &Want, since: Option<Tick>) -> Option<Lease> {
        let now = self.clock.now();
        let turn = self.turn();
        let (taken, hit) = {
            let mut shelves = self.warm.shelves.lock();
            let shelf = shelves.get(&want.specification)?;
            let taken = shelf.take(&want.principal, want.uses, turn, now)?;
            // It lay there before the request came.
            let hit = since.is_none_or(|since| taken.resource.idle_since < since);
            if hit && taken.resource.owner.is_none() {
                shelf.wanted(&want.principal, self.settings.warm.idle_timeout, now);
            }
            shelf.held.push((taken.resource.slot.key, want.principal.clone()));
            (taken, hit)
        };
        let slot = taken.resource.slot.clone();
        let held = Held::new(taken.resource, want, hit);
        let lease = Lease::new(
            self.clone(),
            slot,
            taken.permit,
            taken.transition,
            None,
            taken.losses,
            now,
        );
        Some(lease.with_resource(held))
    }

    /// `None` if waiting until `until` is worth it, else why not.
    pub(in crate::pool) fn hopeless_warm(&self, want: &Want, until: Tick) -> Option<Refusal> {
        if self.is_closed() {
            return Some(Refusal::Closed);
        }
        if self.warm.seats.max() == 0 {
            return Some(Refusal::NoneRoutable {
                reasons: vec!["the warm pool's `max` is 0".into()],
                retry_after: None,
            });
        }
        let now = self.clock.now();
        let mut shelves = self.warm.shelves.lock();
        let shelf = shelves.get(&want.specification)?;
        let comes_back = shelf
            .held
            .iter()
            .any(|(_, principal)| *principal == want.principal)
            && want.uses > 1;
        let setback = shelf.setback.as_ref()?;
        setback.lasts_until(now)?;
        let hopeless = shelf.starting == 0 && !comes_back && !setback.may_pass(until);
        hopeless.then(|| Refusal::NotStarted(Box::new(setback.error(now))))
    }

    /// What is told to a request that has waited until its time was over. A failure from before it came does not answer for
    /// that: since then it has waited for something else, a seat perhaps.
    pub(in crate::pool) fn waited_in_vain(&self, want: Option<&Want>, waited: Duration) -> Refusal {
        let now = self.clock.now();
        let mut shelves = self.warm.shelves.lock();
        let shelf = want.and_then(|want| shelves.get(&want.specification));
        let setback = shelf.and_then(|shelf| shelf.setback.as_ref());
        match setback.filter(|setback| !setback.is_lifted() && setback.is_of_the_last(waited, now)) {
            Some(setback) => Refusal::NotStarted(Box::new(setback.error_after(waited, now))),
            None => Refusal::QueueTimeout { waited },
        }
    }
}
