//! Keeping a kind of resource ready, whether or not anybody asks for it.

use std::sync::{Arc, Weak};

use super::Specification;
use crate::pool::core::Core;

/// Somebody's wish that a kind of resource be ready. Ends when it is dropped; of several wishes the last counts.
#[derive(Debug)]
#[must_use = "nothing is kept ready once it is dropped"]
pub struct KeptWarm {
    /// Weak, because whoever has the wish may be what the pool's hub is made of.
    core: Weak<Core>,
    specification: Arc<Specification>,
}

impl KeptWarm {
    pub(super) fn new(core: &Arc<Core>, specification: Arc<Specification>) -> Self {
        if let Some(shelf) = core.warm.shelves.lock().get(&specification) {
            shelf.kept += 1;
        }
        core.tend();
        Self {
            core: Arc::downgrade(core),
            specification,
        }
    }

    /// Whether both wish for the same.
    pub fn same(&self, other: &KeptWarm) -> bool {
        Arc::ptr_eq(&self.specification, &other.specification)
    }
}

impl Drop for KeptWarm {
    fn drop(&mut self) {
        let Some(core) = self.core.upgrade() else { return };
        if let Some(shelf) = core.warm.shelves.lock().get(&self.specification) {
            shelf.kept = shelf.kept.saturating_sub(1);
        }
        core.warm.alarm.set(core.clock.now());
    }
}
