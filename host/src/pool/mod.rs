//! The engine every hub runs on: its instances, and who gets which of them, when.
//!
//! A [`Pool`] is one hub's instances. [`Pool::try_acquire`] and [`Pool::acquire`] hand out a [`Lease`] on one of
//! them; the lease's [outcome](Lease::finish) feeds breaker, metrics and balancer. Everything else happens by
//! itself: health checks, discovery, restarts, rests.
//!
//! # How it is built
//!
//! | part | it is |
//! | --- | --- |
//! | `slot`, `gate`, `rest`, `notes` | one instance under the engine |
//! | `registry`, `group`, `holders`, `bits` | all of them, indexed; read without a lock |
//! | `acquire` | asking for an instance, and waiting for it |
//! | `demand`, `pick`, `outlook` | from a requirement to an instance, or to whether waiting is worth it |
//! | `lease`, `learn`, `budget` | holding an instance, and what its use teaches |
//! | `hold` | keeping one over many requests, or for oneself |
//! | `queue` | who waits, and who is next |
//! | `lost` | what the hub says is gone |
//! | `population`, `health`, `refresh`, `starter`, `scale`, `alarm` | the loops |
//! | `prepare` | loading a model once for all who wait for it |
//! | `warm` | resources started ahead of need, for requests that say how one is to be started |
//! | `operate` | what operators and hubs' verbs do to instances |
//! | `status`, `report`, `events` | what is shown |
//!
//! # Locks
//!
//! Choosing and releasing take none that is shared between instances, unless somebody waits in the queue. Where
//! locks nest, it is in the order queue, warm shelves or registry, one slot's. Events are published, and leases dropped, under none.

mod acquire;
mod alarm;
mod bits;
mod budget;
mod call;
pub mod clock;
mod core;
mod demand;
pub mod events;
mod gate;
mod group;
mod health;
mod hold;
mod holders;
mod learn;
mod lease;
mod lost;
mod notes;
mod operate;
mod outlook;
mod pick;
mod population;
mod prepare;
mod queue;
mod refresh;
mod refusal;
mod registry;
mod report;
mod rest;
mod scale;
mod select;
mod shutdown;
mod slot;
mod starter;
mod status;
mod tried;
mod warm;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use plugin_api::host::InstanceView;
use serde_json::Value;
use tokio::time::Instant;

pub use self::clock::Clock;
use self::core::Core;
pub use self::events::{Event, EventId, EventSink, Followed, Follower};
pub use self::hold::{Hold, LossWatch, Reservation, Reserver};
pub use self::lease::{Lease, Preparation};
pub use self::notes::Note;
pub use self::refusal::{MOST_REASONS, Refusal};
pub use self::report::{HubReport, InstanceReport, PoolMetrics};
pub use self::scale::Scaled;
pub use self::slot::State;
pub use self::status::InstanceStatus;
pub use self::tried::Tried;
pub use self::warm::{KeptWarm, ShelfStatus, WarmStatus};
use crate::config::settings::HubSettings;
use crate::plugin::driver::HubDriver;

/// One hub's instances under the engine. Cheap to clone; all clones are the same pool.
///
/// Its loops run on the runtime it was started on, until [`shutdown`](Self::shutdown).
#[derive(Debug, Clone)]
pub struct Pool {
    core: Arc<Core>,
}

/// Who asks for an instance.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The caller's name: callers share the queue fairly.
    pub principal: &'a str,
}

impl Pool {
    /// Starts a pool on the current tokio runtime: adopts the configured instances, discovers others, starts what
    /// is to be started. Returns at once; it does not matter whether any instance is alive.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(settings: HubSettings, driver: Arc<dyn HubDriver>, clock: Clock, events: EventSink) -> Pool {
        let runtime = tokio::runtime::Handle::current();
        let core = Arc::new(Core::new(settings, driver, clock, events, runtime));
        core.emit(events::kind::HUB_STARTED, None, Value::Null);
        core.spawn(core.clone().watch_the_clock());
        core.spawn(core.clone().populate());
        if core.warm.is_able() {
            core.spawn(core.clone().keep_warm());
        }
        core.scale(core.settings.start.len());
        Pool { core }
    }

    /// The hub's name.
    pub fn name(&self) -> &str {
        &self.core.settings.name
    }

    /// The kind of resource the hub provides.
    pub fn provides(&self) -> &str {
        &self.core.driver.manifest().provides
    }

    /// The runtime its loops run on.
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        &self.core.runtime
    }

    /// The hub's settings.
    pub fn settings(&self) -> &HubSettings {
        &self.core.settings
    }

    /// Every instance, as an operator sees it.
    pub fn instances(&self) -> Vec<InstanceStatus> {
        self.core
            .registry
            .all()
            .iter()
            .map(|slot| self.core.status(slot))
            .collect()
    }

    /// Every instance, as a plugin sees it: without secrets.
    pub fn view(&self) -> Vec<InstanceView> {
        self.core
            .registry
            .all()
            .iter()
            .map(|slot| self.core.view(slot))
            .collect()
    }

    /// How many requests wait in the queue.
    pub fn queue_depth(&self) -> usize {
        self.core.queue.waiting()
    }

    /// Metrics at this moment.
    pub fn metrics(&self) -> PoolMetrics {
        self.core.report()
    }

    /// Hands out nothing more, waits until the deadline for what is in flight, stops what the hub started, and ends
    /// the loops. Idempotent. Does not end the hub's plugin.
    pub async fn shutdown(&self, deadline: Instant) {
        self.core.clone().shut_down(deadline).await;
    }
}
