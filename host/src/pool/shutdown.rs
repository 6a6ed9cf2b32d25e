//! Shutting a pool down: nothing new, what is in flight ends, what the hub started is stopped.

use std::sync::Arc;

use futures_util::future::join_all;
use plugin_api::contract::instance::Origin;
use serde_json::Value;
use tokio::time::Instant;

use super::core::Core;
use super::events::kind;
use super::slot::{Leaving, Phase, Slot};

impl Core {
    /// Closes the pool, waits for leases until the deadline, stops what the hub started, ends the loops. A second
    /// call waits for the same.
    pub(super) async fn shut_down(self: Arc<Self>, deadline: Instant) {
        let first = self.close();
        self.reconsider();
        self.clear_shelves();
        let slots = self.registry.all();
        for slot in &slots {
            if let Some(change) = slot.change(|condition| condition.leaving = Some(Leaving::HubStops)) {
                self.state_changed(slot, change);
            }
        }
        let _ = tokio::time::timeout_at(deadline, join_all(slots.iter().map(|slot| slot.empty()))).await;
        self.starters.close();
        self.starters.wait().await;
        // Those that came in while we were waiting are in this list.
        let slots = self.registry.all();
        join_all(
            slots
                .iter()
                .filter(|slot| slot.origin() == Origin::Started)
                .map(|slot| self.stop(slot)),
        )
        .await;
        self.remove(&slots);
        self.tasks.close();
        self.tasks.wait().await;
        if first {
            self.emit(kind::HUB_STOPPED, None, Value::Null);
        }
    }

    async fn stop(self: &Arc<Self>, slot: &Arc<Slot>) {
        // A warm resource that is lost while it is held waits for its lease to end, which may be never.
        let ours = match slot.warm {
            Some(_) => self.claim_stop(slot),
            None => slot.condition.lock().phase == Phase::Serving,
        };
        if !ours {
            return;
        }
        self.set_phase(slot, Phase::Stopping);
        let phase = match self.stop_for_good(slot).await {
            Ok(()) => Phase::Stopped,
            Err(error) => Phase::Failed(error.message),
        };
        self.set_phase(slot, phase);
    }
}
