//! Starting: the resources that the hub itself runs, kept running.

use std::sync::Arc;
use std::time::Duration;

use plugin_api::Error;
use plugin_api::contract::health::HealthMonitor;
use plugin_api::contract::instance::{Origin, ResourceInstance};
use serde_json::{Value, json};

use super::call::bounded;
use super::core::Core;
use super::events::kind;
use super::scale::Post;
use super::slot::{Leaving, Phase, Slot};

/// How long the hub may take to start a resource: images and models may have to be fetched.
const START_LIMIT: Duration = Duration::from_secs(600);
/// How long the hub may take to stop one.
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(15);
/// An unhealthy instance may still be at work: so long it may finish before it is stopped.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Between two attempts, doubling…
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// …up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Core {
    /// Starts one entry of `start = [...]`, and again whenever it has died, ever more slowly while it keeps dying,
    /// until the pool is closed or the post is given up. Only what is started here is ever restarted.
    pub(super) async fn keep_started(self: Arc<Self>, post: Arc<Post>) {
        let (number, specification) = (post.number, &post.specification);
        let mut stand_in = ResourceInstance::new(name(&self.settings.name, number, specification));
        stand_in.origin = Origin::Started;
        let Some(mut slot) = self.add(vec![(stand_in, Phase::Starting)]).pop() else {
            tracing::error!(
                hub = self.settings.name,
                number,
                "two instances of one name: not started"
            );
            return;
        };
        post.stands_at(&slot);
        let mut attempt: u32 = 0;
        loop {
            let begun = self.clock.now();
            let started = tokio::select! {
                started = self.start(&slot, specification) => started,
                () = post.given_up() => return self.remove(&[slot]),
            };
            match started {
                Ok(None) => return,
                Ok(Some(running)) => {
                    slot = running;
                    post.stands_at(&slot);
                    if attempt > 0 {
                        self.emit(
                            kind::INSTANCE_RECOVERED,
                            Some(&slot),
                            json!({ "attempt": attempt }),
                        );
                    }
                    let losses = slot.losses();
                    tokio::select! {
                        () = self.closed.cancelled() => return,
                        () = post.given_up() => return self.lay_off(slot).await,
                        () = slot.lost_since(losses) => {}
                    }
                    self.clear_away(&slot).await;
                }
                Err(error) => self.start_failed(&slot, attempt, &error),
            }
            // Only one that ran for a while starts with a clean slate: others are crash loops.
            let ran_well = self.clock.now().since(begun) > LONGEST_PAUSE * 2;
            attempt = if ran_well { 1 } else { attempt.saturating_add(1) };
            let next = self
                .clock
                .now()
                .after(pause(attempt).mul_f64(0.9 + 0.2 * fastrand::f64()));
            tokio::select! {
                () = self.closed.cancelled() => return,
                () = post.given_up() => return self.remove(&[slot]),
                () = self.clock.sleep_until(next) => {}
            }
        }
    }

    /// What is not wanted any more finishes what it has, is stopped, and goes.
    async fn lay_off(self: &Arc<Self>, slot: Arc<Slot>) {
        if let Some(change) = slot.change(|condition| condition.leaving = Some(Leaving::NotWanted)) {
            self.state_changed(&slot, change);
        }
        tokio::select! {
            // The pool's own end stops it.
            () = self.closed.cancelled() => return,
            () = slot.empty() => {}
        }
        self.set_phase(&slot, Phase::Stopping);
        self.stop_instance(&slot.instance.load_full()).await;
        self.remove(&[slot]);
    }

    /// One attempt. `None`: the pool was closed meanwhile, and nothing runs.
    async fn start(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        specification: &Value,
    ) -> Result<Option<Arc<Slot>>, Error> {
        self.set_phase(slot, Phase::Starting);
        let call = bounded(START_LIMIT, "start", |context| {
            self.driver.start(context, specification.clone())
        });
        let mut instance = tokio::select! {
            started = call => started.map_err(Error::from)?,
            () = self.closed.cancelled() => return Ok(None),
        };
        instance.origin = Origin::Started;
        if self.is_closed() {
            self.stop_instance(&Arc::new(instance)).await;
            return Ok(None);
        }
        self.take_over(slot, instance).await.map(Some)
    }

    /// The slot becomes that of the running instance; a new one takes its place if the instance has another id.
    async fn take_over(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        instance: ResourceInstance,
    ) -> Result<Arc<Slot>, Error> {
        let now = self.clock.now();
        if *slot.id != *instance.id {
            let described = Arc::new(instance.clone());
            let Some(new) = self.add(vec![(instance, Phase::Serving)]).pop() else {
                self.stop_instance(&described).await;
                let message = format!(
                    "started `{}`, but there is an instance of this id already",
                    described.id
                );
                return Err(Error::plugin(message));
            };
            self.remove(std::slice::from_ref(slot));
            return Ok(new);
        }
        // Nothing that was learnt of the last life is true of this one.
        let seen = slot.notes.lock().look();
        self.registry.found(slot, Vec::new(), seen, now);
        self.registry.describe(slot, instance, now);
        if let Some(transition) = slot.breaker.reset() {
            self.breaker_changed(slot, transition);
        }
        slot.mirror_breaker(now);
        let health = HealthMonitor::new(self.policies().health, now);
        let change = slot.change(|condition| {
            condition.phase = Phase::Serving;
            condition.health = health;
            condition.life += 1;
        });
        if let Some(change) = change {
            self.state_changed(slot, change);
        }
        slot.look.notify_one();
        Ok(slot.clone())
    }

    /// What died is stopped for good before it is started again.
    async fn clear_away(self: &Arc<Self>, slot: &Arc<Slot>) {
        let _ = tokio::time::timeout(LAST_WORDS, slot.empty()).await;
        self.set_phase(slot, Phase::Starting);
        self.stop_instance(&slot.instance.load_full()).await;
    }

    pub(super) async fn stop_instance(&self, instance: &Arc<ResourceInstance>) {
        let stopped = bounded(STOP_LIMIT, "stop", |context| {
            self.driver.stop(context, instance.clone())
        })
        .await;
        if let Err(error) = stopped {
            let error = Error::from(error);
            tracing::warn!(hub = self.settings.name, instance = instance.id, %error, "could not stop it");
        }
    }

    fn start_failed(self: &Arc<Self>, slot: &Arc<Slot>, attempt: u32, error: &Error) {
        let retry = pause(attempt.saturating_add(1));
        let reason = format!("{error}; next attempt in about {} s", retry.as_secs());
        self.set_phase(slot, Phase::Failed(reason));
        let data =
            json!({ "attempt": attempt + 1, "reason": error.message, "retry_ms": retry.as_millis() as u64 });
        self.emit(kind::RECOVERY_FAILED, Some(slot), data);
    }

    pub(super) fn set_phase(self: &Arc<Self>, slot: &Arc<Slot>, phase: Phase) {
        if let Some(change) = slot.change(|condition| condition.phase = phase) {
            self.state_changed(slot, change);
        }
    }
}

fn pause(attempt: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX))
        .min(LONGEST_PAUSE)
}

/// The name of an instance that does not run yet: its own if the specification gives one.
fn name(hub: &str, number: usize, specification: &Value) -> String {
    let own = specification
        .get("id")
        .or_else(|| specification.get("name"))
        .and_then(Value::as_str);
    own.map_or_else(|| format!("{hub}-{}", number + 1), str::to_owned)
}
