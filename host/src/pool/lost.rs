//! Losses: what the hub itself says is gone.

use std::sync::Arc;

use super::Pool;
use super::slot::{Phase, Slot};

impl Pool {
    /// A resource that the hub started is gone, as the hub itself says: requests that hold it are told, nobody else is
    /// sent there, and a warm pool replaces it. Unknown ones are ignored.
    pub fn lost(&self, id: &str, reason: &str) {
        let lose = |slot: &Arc<Slot>| {
            self.core.set_phase(slot, Phase::Failed(reason.to_owned()));
            slot.lose();
        };
        if let Some(slot) = self.core.registry.find(id) {
            return lose(&slot);
        }
        // It may be about to be registered.
        self.core.stray(id, reason);
        if let Some(slot) = self.core.registry.find(id) {
            lose(&slot);
        }
    }
}
