//! A resource while a lease has it, and what becomes of it afterwards.

use std::sync::Arc;

use plugin_api::Error;
use plugin_api::contract::outcome::Outcome;
use serde_json::json;

use super::discard::Reason;
use super::shelf::Resource;
use super::want::Want;
use crate::pool::call::bounded;
use crate::pool::core::Core;
use crate::pool::events::kind;

/// A resource while a lease has it.
#[derive(Debug)]
pub(in crate::pool) struct Held {
    resource: Resource,
    principal: Arc<str>,
    /// How often it may be used, as this request wishes.
    limit: u32,
    /// It was ready when the request came.
    hit: bool,
    /// Whose it was, and how often it had been used, before the request had it.
    before: Option<(Option<Arc<str>>, u32)>,
}

impl Held {
    pub(super) fn new(resource: Resource, want: &Want, hit: bool) -> Box<Self> {
        Box::new(Self {
            resource,
            principal: want.principal.clone(),
            limit: want.uses,
            hit,
            before: None,
        })
    }

    /// The request had no use of it: it is whose it was before, and not used once more.
    pub(in crate::pool) fn ungrant(&mut self) {
        if let Some((owner, uses)) = self.before.take() {
            self.resource.owner = owner;
            self.resource.uses = uses;
        }
    }

    /// How often it has been used, this time included.
    pub(in crate::pool) fn uses(&self) -> u32 {
        self.resource.uses
    }
}

impl Core {
    /// The request has it now: from here on it is this principal's for ever. Not to be called under a lock.
    pub(in crate::pool) fn granted_warm(self: &Arc<Self>, held: &mut Held) {
        let resource = &mut held.resource;
        let fresh = resource.owner.is_none();
        held.before = Some((resource.owner.clone(), resource.uses));
        resource.owner = Some(held.principal.clone());
        if fresh {
            resource.owned_since = self.clock.now();
        }
        resource.uses += 1;
        self.warm.counters.granted(&resource.specification, held.hit);
        let data = || {
            json!({
                "specification": resource.specification.name,
                "uses": resource.uses,
                "warm": held.hit,
            })
        };
        self.emit_to_followers(kind::LEASE_GRANTED, &resource.slot, data);
        if fresh {
            self.tend();
        }
    }

    /// The lease has ended like this. `used`: the request had it; otherwise it is as it was. Not to be called under a lock.
    pub(in crate::pool) fn take_back_warm(self: &Arc<Self>, held: Held, outcome: Outcome, used: bool) {
        let Held { resource, limit, .. } = held;
        if used {
            let data = || {
                json!({
                    "specification": resource.specification.name,
                    "uses": resource.uses,
                    "outcome": outcome.label(),
                })
            };
            self.emit_to_followers(kind::LEASE_RELEASED, &resource.slot, data);
        }
        match self.verdict(&resource, outcome, limit, used) {
            Some(reason) => self.dismiss_held(resource, reason),
            None if used && self.driver.manifest().resets => {
                self.spawn(self.clone().reset_warm(resource));
            }
            None => self.lay_back(resource),
        }
    }

    /// Why it cannot be used again; `None` if it can.
    fn verdict(&self, resource: &Resource, outcome: Outcome, limit: u32, used: bool) -> Option<Reason> {
        let now = self.clock.now();
        if self.is_closed() {
            return Some(Reason::HubStops);
        }
        if !resource.slot.gate.read().closed.is_open() {
            return Some(self.why_closed(&resource.slot));
        }
        if used && outcome != Outcome::Success {
            return Some(Reason::Failed(outcome.label()));
        }
        if used && resource.uses >= limit.min(self.settings.warm.max_uses) {
            return Some(Reason::UsedUp);
        }
        if resource.retires <= now {
            return Some(Reason::TooOld);
        }
        (self.warm.seats.beyond() > 0).then_some(Reason::Evicted)
    }

    async fn reset_warm(self: Arc<Self>, resource: Resource) {
        let limit = self.settings.warm.start_timeout;
        let instance = resource.slot.instance.load_full();
        let call = bounded(limit, "reset", |context| self.driver.reset(context, instance));
        let outcome = tokio::select! {
            biased;
            outcome = call => outcome.map_err(|error| Reason::NotReset(Error::from(error).message)),
            () = self.closed.cancelled() => Err(Reason::HubStops),
        };
        match outcome {
            Ok(()) => {
                self.lay_back(resource);
                self.pump();
            }
            Err(reason) => self.dismiss_held(resource, reason),
        }
    }

    /// Back on its shelf, for its owner.
    fn lay_back(self: &Arc<Self>, resource: Resource) {
        let now = self.clock.now();
        let due = now.after(self.settings.warm.idle_timeout).min(resource.retires);
        let refused = {
            let mut shelves = self.warm.shelves.lock();
            match shelves.get(&resource.specification) {
                Some(shelf) if !self.is_closed() => {
                    shelf.released(resource.slot.key);
                    if resource.uses > 0 {
                        shelf.setback = None;
                    }
                    shelf.put(resource, now).err()
                }
                _ => Some(resource),
            }
        };
        match refused {
            None => self.warm.alarm.set(due),
            Some(resource) => {
                let reason = self.why_closed(&resource.slot);
                self.dismiss_held(resource, reason);
            }
        }
    }

    fn dismiss_held(self: &Arc<Self>, mut resource: Resource, reason: Reason) {
        resource.seat.clear();
        if let Some(shelf) = self.warm.shelves.lock().get(&resource.specification) {
            shelf.released(resource.slot.key);
        }
        self.discard(resource, reason);
        self.tend();
    }
}
