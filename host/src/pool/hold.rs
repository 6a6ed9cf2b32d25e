//! Holds: an instance kept for somebody over many requests, which the host does not see.
//!
//! A [`Lease`] is for one request, whose end teaches breaker, metrics and balancer. A [`Hold`] only takes a place:
//! what its holder does with the instance is not known here, and how long it was held says nothing about how fast the
//! instance is. A [`Reservation`] keeps everybody else away from an instance.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use plugin_api::contract::instance::ResourceInstance;
use plugin_api::contract::outcome::Outcome;
use plugin_api::host::InstanceView;

use super::core::Core;
use super::gate::Closed;
use super::lease::{Detached, Lease};
use super::slot::Slot;
use super::warm::Held;

/// An instance kept for somebody. Counts as one request in flight until it is dropped, and leaves no trace in the
/// metrics.
pub struct Hold {
    core: Arc<Core>,
    slot: Arc<Slot>,
    instance: Arc<ResourceInstance>,
    queued: Duration,
    /// The resource, where it is one of the warm pool's.
    resource: Option<Box<Held>>,
}

/// Keeps everybody else away from an instance: those in flight finish, nobody new is let in, and whoever wants it
/// waits. Dropping it opens the instance again.
pub struct Reservation {
    core: Arc<Core>,
    slot: Arc<Slot>,
}

/// Who has reserved an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserver {
    /// The caller's name.
    pub principal: Arc<str>,
    /// The same in words, with what it is reserved for.
    pub words: Arc<str>,
}

/// Tells when an instance is lost, without holding it. Cheap to clone.
#[derive(Clone)]
pub struct LossWatch {
    core: Arc<Core>,
    slot: Arc<Slot>,
    losses: u64,
}

impl Lease {
    /// Keeps the instance beyond one request. The request's own place in the breaker's trials is given back: it will
    /// never be known how it went.
    pub fn hold(self) -> Hold {
        let Detached {
            core,
            slot,
            instance,
            queued,
            resource,
        } = self.detach();
        slot.holds.fetch_add(1, Ordering::Relaxed);
        Hold {
            core,
            slot,
            instance,
            queued,
            resource,
        }
    }

    /// Keeps everybody but this lease away from its instance, from now on. `None` if somebody else does so already.
    /// Those in flight have to be waited for: [`Reservation::sole`].
    ///
    /// `by` is shown as the reason why nobody gets it, to whom that concerns.
    pub fn reserve(&self, by: Reserver) -> Option<Reservation> {
        let (core, slot) = (self.core(), self.slot());
        if !slot.gate.close(Closed::ALLOCATED) {
            return None;
        }
        *slot.reserved.lock() = Some(by);
        Some(Reservation {
            core: core.clone(),
            slot: slot.clone(),
        })
    }

    /// Tells when the instance is lost, from when the lease was taken.
    pub fn loss_watch(&self) -> LossWatch {
        LossWatch {
            core: self.core().clone(),
            slot: self.slot().clone(),
            losses: self.losses(),
        }
    }
}

impl Hold {
    /// The instance, as the hub described it when it was taken.
    pub fn instance(&self) -> &Arc<ResourceInstance> {
        &self.instance
    }

    /// How long it was waited for in the queue.
    pub fn queued(&self) -> Duration {
        self.queued
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.slot.holds.fetch_sub(1, Ordering::Relaxed);
        self.core.left(&self.slot);
        if let Some(held) = self.resource.take() {
            // Nobody knows what its holder has left in it.
            self.core.take_back_warm(*held, Outcome::Cancelled, true);
        }
        self.core.pump();
    }
}

impl Reservation {
    /// Whether nobody but the one lease that reserved it has it.
    pub fn is_sole(&self) -> bool {
        self.slot.gate.read().in_flight <= 1
    }

    /// Resolves when nobody but the one lease that reserved it has it. Cancel safe.
    pub async fn sole(&self) {
        loop {
            let notified = self.slot.emptied.notified();
            if self.is_sole() {
                return;
            }
            notified.await;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        *self.slot.reserved.lock() = None;
        self.slot.gate.open(Closed::ALLOCATED);
        self.core.pump();
    }
}

impl LossWatch {
    /// Resolves when the instance is declared unhealthy, stopped or removed. Cancel safe.
    pub async fn lost(&self) {
        self.slot.lost_since(self.losses).await;
    }

    /// What is the matter with it now, for a person.
    pub fn reason(&self) -> String {
        let obstacle = self.slot.obstacle(self.core.clock.now());
        obstacle.unwrap_or_else(|| "it was lost, and is back".to_owned())
    }

    /// The instance as others see it now: without secrets.
    pub fn view(&self) -> InstanceView {
        self.core.view(&self.slot)
    }
}

impl Core {
    /// Lets one out of a slot, and tells whoever waits for it to be empty. Not to be called under a lock.
    pub(super) fn left(self: &Arc<Self>, slot: &Slot) {
        let left = slot.gate.leave();
        if left.closed.has(Closed::ALLOCATED) {
            slot.emptied.notify_waiters();
        }
        if left.in_flight == 0 && left.leaving() {
            self.emptied(slot);
        }
    }
}

macro_rules! shown_by_instance {
    ($($type:ident)*) => {
        $(impl fmt::Debug for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut shown = formatter.debug_struct(stringify!($type));
                shown.field("instance", &self.slot.id).finish_non_exhaustive()
            }
        })*
    };
}

shown_by_instance!(Hold Reservation LossWatch);
