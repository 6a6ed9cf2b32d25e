//! Refreshing: the cheap look at what changes quickly, such as which models are in memory.

use std::sync::Arc;

use plugin_api::{Error, ErrorCode};

use super::call::bounded;
use super::core::Core;
use super::slot::{Phase, Slot};

impl Core {
    /// Refreshes an instance until it is retired, while it is well. A failure says nothing: that is the
    /// business of the probe, which comes early where nobody listens or answers any more.
    pub(super) async fn keep_fresh(self: Arc<Self>, slot: Arc<Slot>) {
        let interval = self.settings.health.refresh;
        if interval.is_zero() {
            return;
        }
        loop {
            // Jitter, or a fleet that was registered together is asked together for ever.
            let next = self
                .clock
                .now()
                .after(interval.mul_f64(0.9 + 0.2 * fastrand::f64()));
            tokio::select! {
                () = slot.retired.cancelled() => return,
                () = self.clock.sleep_until(next) => {}
            }
            let well = {
                let condition = slot.condition.lock();
                condition.phase == Phase::Serving && condition.health.usable()
            };
            if well {
                self.refresh(&slot).await;
            }
        }
    }

    /// Looks once.
    pub(super) async fn refresh(self: &Arc<Self>, slot: &Arc<Slot>) {
        let seen = slot.notes.lock().look();
        let life = slot.condition.lock().life;
        let limit = self.settings.health.timeout;
        let instance = slot.instance.load_full();
        let found = tokio::select! {
            found = bounded(limit, "refresh", |context| self.driver.refresh(context, instance)) => found,
            () = slot.retired.cancelled() => return,
        };
        match found {
            Ok(Some(capabilities)) if slot.condition.lock().life == life => {
                self.registry.found(slot, capabilities, seen, self.clock.now());
                self.pump();
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(instance = %slot.id, ?error, "refresh failed");
                // The next probe may be half a minute away, and nobody listens or answers there now.
                if matches!(
                    Error::from(error).code,
                    ErrorCode::CONNECTION_FAILED | ErrorCode::TIMEOUT
                ) {
                    slot.look.notify_one();
                }
            }
        }
    }
}
