//! Health: one loop for each instance, so that a dead one delays nobody.

use std::sync::Arc;
use std::time::Duration;

use plugin_api::contract::health::Observation;
use plugin_api::contract::probe::Probe;
use plugin_api::{Error, ErrorCode};

use super::call::{CallError, bounded};
use super::core::Core;
use super::slot::{Phase, Slot};

/// Two probes of an instance are at least this far apart, however often somebody asks for one.
const CLOSEST: Duration = Duration::from_millis(500);

impl Core {
    /// Probes an instance until it is retired: at once, then as its health asks for, and when somebody wants to know.
    pub(super) async fn watch_health(self: Arc<Self>, slot: Arc<Slot>) {
        // What has just been started is known to be well.
        let mut fresh = slot.warm.is_some();
        loop {
            let serving = slot.condition.lock().phase == Phase::Serving;
            if serving && !std::mem::take(&mut fresh) {
                self.probe(&slot).await;
            }
            let (next, last) = {
                let condition = slot.condition.lock();
                (condition.health.next_probe(), condition.health.last_probe())
            };
            tokio::select! {
                () = slot.retired.cancelled() => return,
                () = self.clock.sleep_until(next), if serving => {}
                () = slot.look.notified() => {
                    if let Some(last) = last.filter(|_| serving) {
                        self.clock.sleep_until(last.after(CLOSEST.min(self.settings.health.interval))).await;
                    }
                }
            }
        }
    }

    /// Probes once and draws the consequences.
    pub(super) async fn probe(self: &Arc<Self>, slot: &Arc<Slot>) {
        let seen = slot.notes.lock().look();
        let life = slot.condition.lock().life;
        let limit = self.settings.health.timeout;
        let instance = slot.instance.load_full();
        let result = tokio::select! {
            result = bounded(limit, "probe", |context| self.driver.probe(context, instance)) => result,
            () = slot.retired.cancelled() => return,
        };
        let now = self.clock.now();
        if slot.condition.lock().life != life {
            return;
        }
        // What it can do is known before requests are sent to it.
        if let Ok(probe) = &result {
            slot.facts.lock().update(probe);
            self.registry.set_limit(slot);
            if let Some(capabilities) = &probe.capabilities {
                self.registry.found(slot, capabilities.clone(), seen, now);
            }
        }
        slot.metrics.probed(result.is_err());
        let well = result.is_ok();
        let gone = slot.warm.is_some().then(|| gone(&result)).flatten();
        let observation = match observation(result) {
            Observation::TimedOut(limit) if at_work(slot) => Observation::Degraded(format!(
                "it answers requests, but did not answer a probe within {} ms",
                limit.as_millis()
            )),
            other => other,
        };
        let change = slot.change(|condition| {
            if condition.life == life {
                condition.known |= well;
                condition.health.observe(observation, now, fastrand::f64());
            }
        });
        match change {
            Some(change) => self.state_changed(slot, change),
            None => self.reconsider(),
        }
        if let Some(reason) = gone {
            self.set_phase(slot, Phase::Failed(reason));
        }
    }
}

/// Why a resource that the hub started is not there any more, if that is what a probe found. Nobody will start this one
/// again, so there is nothing to wait for.
fn gone(result: &Result<Probe, CallError>) -> Option<String> {
    match result {
        Err(CallError::Failed(error)) if matches!(error.code, ErrorCode::NOT_FOUND | ErrorCode::GONE) => {
            Some(error.message.clone())
        }
        _ => None,
    }
}

/// Whether an instance that was well has answered a request since its last probe. Then it is too busy for a probe, not
/// dead, and taking it out would put its load on the others, until they are too busy in turn.
fn at_work(slot: &Slot) -> bool {
    let condition = slot.condition.lock();
    let last = condition
        .health
        .last_probe()
        .filter(|_| condition.health.usable());
    last.is_some_and(|last| slot.progressed_since(last))
}

fn observation(result: Result<Probe, CallError>) -> Observation {
    match result {
        Ok(Probe { degraded: None, .. }) => Observation::Healthy,
        Ok(Probe {
            degraded: Some(reason),
            ..
        }) => Observation::Degraded(reason),
        Err(CallError::TimedOut(limit)) => Observation::TimedOut(limit),
        Err(CallError::Panicked(what)) => Observation::Panicked(what),
        Err(CallError::Failed(error)) if refuses_us(&error) => Observation::Misconfigured(error.message),
        Err(CallError::Failed(error)) => Observation::Failed(error.message),
    }
}

fn refuses_us(error: &Error) -> bool {
    matches!(
        error.code,
        ErrorCode::UNAUTHENTICATED | ErrorCode::FORBIDDEN | ErrorCode::CONFIGURATION
    ) || matches!(error.status, Some(401 | 403))
}
