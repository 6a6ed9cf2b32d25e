//! Warm pools under simulated time.

mod bounds;
mod chaos;
mod failures;
mod fairness;
mod losses;
mod reuse;
mod shares;
mod shutdown;
mod status;
mod stock;
mod threads;

use std::time::Duration;

use plugin_api::contract::requirement::Requirement;
use serde_json::{Value, json};

use crate::config::settings::WarmSettings;
use crate::pool::testing::{Engine, Fleet, fleet};
use crate::pool::{Asker, KeptWarm, Lease, Refusal, ShelfStatus, Tried};

/// A pool on a hub that starts what is asked for, each in a tenth of a second.
struct Warm {
    fleet: Fleet,
    engine: Engine,
}

fn settings(min_idle: u32, max: u32) -> WarmSettings {
    WarmSettings {
        min_idle,
        max,
        ..WarmSettings::default()
    }
}

async fn warm(settings: WarmSettings) -> Warm {
    warm_with(settings, false).await
}

async fn warm_with(settings: WarmSettings, resets: bool) -> Warm {
    let engine = Engine::default();
    engine.takes(|takes| takes.start = Duration::from_millis(100));
    let hub = engine.clone();
    let fleet = fleet(&[])
        .set(|all| all.warm = settings)
        .hub(|fake| {
            fake.manifest.start = Some(json!({}));
            fake.manifest.resets = resets;
            fake.engine = Some(hub);
        })
        .start()
        .await;
    Warm { fleet, engine }
}

/// A specification of this name.
fn spec(name: &str) -> Value {
    json!({ "image": name, "limits": { "memory": 1 } })
}

fn wants(name: &str) -> Requirement {
    Requirement {
        specification: Some(spec(name)),
        ..Requirement::default()
    }
}

impl Warm {
    /// Keeps this kind ready for as long as the answer is kept.
    fn keep(&self, name: &str) -> KeptWarm {
        self.fleet.pool.warm(&wants(name)).unwrap()
    }

    /// A lease on one of this kind, however long it takes.
    async fn lease(&self, who: &'static str, name: &str) -> Lease {
        self.ask(who, wants(name)).await.unwrap()
    }

    async fn ask(&self, who: &'static str, requirement: Requirement) -> Result<Lease, Refusal> {
        let asker = Asker { principal: who };
        self.fleet
            .pool
            .acquire(&requirement, &asker, &Tried::NONE, None)
            .await
    }

    /// The same in a task of its own.
    fn asks(
        &self,
        who: &'static str,
        requirement: Requirement,
    ) -> tokio::task::JoinHandle<Result<Lease, Refusal>> {
        self.fleet.wait(who, requirement)
    }

    /// A lease if one is ready.
    fn at_once(&self, who: &'static str, name: &str) -> Result<Lease, Refusal> {
        let asker = Asker { principal: who };
        self.fleet.pool.try_acquire(&wants(name), &asker, &Tried::NONE)
    }

    fn shelf(&self, name: &str) -> Option<ShelfStatus> {
        let status = self.fleet.pool.warm_status().unwrap();
        let called = |shelf: &ShelfStatus| shelf.label.as_deref() == Some(name);
        status.shelves.into_iter().find(called)
    }

    fn total(&self) -> u32 {
        self.fleet.pool.warm_status().unwrap().total
    }

    /// The reasons for which resources were thrown away so far, and how often each.
    fn discarded(&self) -> Vec<(&'static str, u64)> {
        let status = self.fleet.pool.warm_status().unwrap();
        status
            .discarded
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

fn id(lease: &Lease) -> String {
    lease.instance().id.clone()
}
