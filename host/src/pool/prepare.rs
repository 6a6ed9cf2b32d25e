//! Preparation: what has to be done on an instance before it can serve, done once for all who wait for it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use plugin_api::contract::requirement::Requirement;
use plugin_api::{Context, Error, ErrorCode, Fault, Retry};
use serde_json::Value;
use tokio::sync::watch;

use super::call::bounded;
use super::core::Core;
use super::lease::{Errand, Lease, Preparation};
use super::notes::Note;
use super::slot::Slot;

type Outcome = Option<Result<(), Error>>;

/// An instance's registration and a capability's normalised name.
type Key = (u64, Arc<str>);

/// The preparations under way, by instance and capability.
#[derive(Debug, Default)]
pub(super) struct Preparations {
    under_way: Mutex<HashMap<Key, watch::Receiver<Outcome>>>,
}

impl Core {
    /// Waits until the lease's instance can serve what it was taken for; begins the preparation unless one is under
    /// way. The work is the hub's own: a caller that goes away cancels nothing, and finds it done next time.
    pub(super) async fn prepare(
        self: &Arc<Self>,
        lease: &Lease,
        requirement: &Requirement,
        context: &Context,
    ) -> Result<(), Error> {
        let Some((errand, preparation)) = lease
            .errand()
            .and_then(|errand| Some((errand, errand.preparation?)))
        else {
            return Ok(());
        };
        let mut result = match self.join(lease, errand, preparation, requirement, context) {
            Some(result) => result,
            None => return Ok(()),
        };
        let ended = result
            .wait_for(Option::is_some)
            .await
            .map(|outcome| (*outcome).clone());
        ended.ok().flatten().unwrap_or_else(|| {
            Err(Error::new(ErrorCode::SHUTDOWN, Fault::Host, "the hub is stopping").retry(Retry::Now))
        })
    }

    /// The preparation under way, or a new one; `None` if it has been done meanwhile.
    fn join(
        self: &Arc<Self>,
        lease: &Lease,
        errand: &Errand,
        preparation: Preparation,
        requirement: &Requirement,
        context: &Context,
    ) -> Option<watch::Receiver<Outcome>> {
        let slot = lease.slot();
        let key = (slot.key, errand.name.clone());
        let (sender, receiver) = watch::channel(None);
        {
            let mut under_way = self.preparations.under_way.lock();
            if let Some(result) = under_way.get(&key) {
                return Some(result.clone());
            }
            if self.is_loaded(slot, &errand.name) {
                return None;
            }
            under_way.insert(key.clone(), receiver.clone());
        }
        self.registry.prepare(slot, &errand.name, true, self.clock.now());
        let work = Work {
            core: self.clone(),
            slot: slot.clone(),
            key,
            preparation,
            wish: requirement.prefer.clone(),
            hint: requirement.prepare.clone(),
            request: context.request_id.clone(),
        };
        self.spawn(async move {
            let outcome = work.run().await;
            // Nobody may be waiting any more.
            let _ = sender.send(Some(outcome));
        });
        Some(receiver)
    }

    fn is_loaded(&self, slot: &Slot, name: &str) -> bool {
        self.registry
            .load()
            .capabilities
            .get(name)
            .is_some_and(|held| held.loaded(slot.place))
    }
}

/// One preparation.
struct Work {
    core: Arc<Core>,
    slot: Arc<Slot>,
    key: Key,
    preparation: Preparation,
    wish: std::collections::BTreeMap<String, i64>,
    hint: Option<Value>,
    /// The request that caused it, for the logs.
    request: String,
}

impl Work {
    async fn run(self) -> Result<(), Error> {
        let Self {
            core,
            slot,
            key,
            preparation,
            wish,
            hint,
            request,
        } = self;
        let name = key.1.clone();
        let timeouts = &core.settings.timeouts;
        let limit = match preparation {
            Preparation::Stored => timeouts.first_byte,
            Preparation::Absent => timeouts.total,
        };
        tracing::info!(instance = %slot.id, capability = %name, ?preparation, request, "preparing");
        let instance = slot.instance.load_full();
        let call = bounded(limit, &request, |context| {
            core.driver.prepare(context, instance, name.to_string(), hint)
        });
        let outcome = tokio::select! {
            outcome = call => outcome.map_err(Error::from),
            () = slot.retired.cancelled() => Err(gone(&slot.id)),
        };
        let now = core.clock.now();
        if outcome.is_ok() {
            core.registry.note(&slot, &name, Note::Loaded(wish), now);
            core.metrics.prepared();
            // With what context, and for how long, only the resource itself can say.
            core.refresh(&slot).await;
        }
        core.registry.prepare(&slot, &name, false, now);
        core.preparations.under_way.lock().remove(&key);
        core.pump();
        outcome
    }
}

fn gone(instance: &str) -> Error {
    Error::instance(
        ErrorCode::GONE,
        format!("`{instance}` went away while it was being prepared"),
    )
}
