//! Resources that can no longer be used: taken off their shelf as soon as anybody knows.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::discard::Reason;
use crate::pool::core::Core;
use crate::pool::slot::Slot;

/// So many are remembered.
const MOST: usize = 64;

/// Resources that were lost before the pool heard of them: the hub may notice the end of one before its start has been
/// answered.
#[derive(Debug, Default)]
pub(super) struct Strays {
    lost: Mutex<VecDeque<(String, String)>>,
}

impl Strays {
    pub(super) fn note(&self, id: &str, reason: &str) {
        let mut lost = self.lost.lock();
        if lost.len() == MOST {
            lost.pop_front();
        }
        lost.push_back((id.to_owned(), reason.to_owned()));
    }

    /// Why it was lost, if it was.
    pub(super) fn take(&self, id: &str) -> Option<String> {
        let mut lost = self.lost.lock();
        let at = lost.iter().position(|(known, _)| known == id)?;
        lost.remove(at).map(|(_, reason)| reason)
    }
}

impl Core {
    /// A warm resource's state has changed: one that is closed now is thrown away, at once if it is idle, else when its
    /// lease ends. Not to be called under a lock.
    pub(in crate::pool) fn warm_changed(self: &Arc<Self>, slot: &Slot) {
        if slot.gate.read().closed.is_open() {
            return;
        }
        let idle = {
            let mut shelves = self.warm.shelves.lock();
            shelves.remove(slot.key).map(|mut resource| {
                resource.seat.clear();
                resource
            })
        };
        if let Some(resource) = idle {
            self.discard_lost(resource);
            self.tend();
        }
    }

    /// The hub has lost a resource that nobody knows; its start may be about to end.
    pub(in crate::pool) fn stray(&self, id: &str, reason: &str) {
        if self.warm.is_able() {
            self.warm.strays.note(id, reason);
        }
    }

    /// The pool is closed: whatever is idle is stopped, all at once.
    pub(in crate::pool) fn clear_shelves(self: &Arc<Self>) {
        let idle = self.warm.shelves.lock().clear();
        for resource in idle {
            self.discard(resource, Reason::HubStops);
        }
    }
}
