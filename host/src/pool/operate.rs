//! What operators, and verbs of hubs, do to instances.

use std::sync::Arc;

use plugin_api::Error;
use plugin_api::contract::instance::ResourceInstance;
use plugin_api::host::Selection;

use super::Pool;
use super::notes::Note;

impl Pool {
    /// Gives an instance no more requests; those in flight finish. Idempotent.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn drain(&self, id: &str) -> Result<(), Error> {
        let slot = self.core.named(id)?;
        if let Some(change) = slot.change(|condition| condition.cordoned = true) {
            self.core.state_changed(&slot, change);
            if slot.gate.read().in_flight == 0 {
                self.core.emptied(&slot);
            }
        }
        Ok(())
    }

    /// Takes a drained instance back into use. Idempotent.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn resume(&self, id: &str) -> Result<(), Error> {
        let slot = self.core.named(id)?;
        if let Some(change) = slot.change(|condition| condition.cordoned = false) {
            self.core.state_changed(&slot, change);
        }
        Ok(())
    }

    /// The instances that a selection names; of those that hold the capability, if one is given.
    ///
    /// # Errors
    /// It names an instance or a tag that does not exist.
    pub fn select(
        &self,
        selection: &Selection,
        capability: Option<&str>,
    ) -> Result<Vec<Arc<ResourceInstance>>, Error> {
        let slots = self.core.select(selection, capability)?;
        Ok(slots.iter().map(|slot| slot.instance.load_full()).collect())
    }

    /// Tells the engine what a verb has changed, so that nobody has to wait for the next probe. Unknown instances are
    /// ignored.
    pub fn note_capability(&self, id: &str, capability: &str, note: Note) {
        if let Some(slot) = self.core.registry.find(id) {
            self.core
                .registry
                .note(&slot, capability, note, self.core.clock.now());
            self.core.reconsider();
        }
    }

    /// Asks for a probe now, or as soon as the last is half a second old. Unknown instances are ignored.
    pub fn probe_now(&self, id: &str) {
        if let Some(slot) = self.core.registry.find(id) {
            slot.look.notify_one();
        }
    }

    /// Probes an instance and waits until what was found is known, so that whoever changed something sees it.
    /// Bounded by the probe's own time limit.
    pub async fn look(&self, id: &str) {
        if let Some(slot) = self.core.registry.find(id) {
            self.core.probe(&slot).await;
        }
    }
}
