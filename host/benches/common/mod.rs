//! What the benchmarks of the pool have in common: a hub that answers at once, a pool on it, and a lease to measure.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Bencher, Criterion};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use gleitzeit::config::settings::HubSettings;
use gleitzeit::plugin::driver::{ControlItem, HubDriver};
use gleitzeit::pool::{Asker, Clock, EventSink, Pool, Tried};
use plugin_api::contract::instance::{Capability, InstanceSettings, ResourceInstance};
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::probe::Probe;
use plugin_api::contract::requirement::Requirement;
use plugin_api::manifest::HubManifest;
use plugin_api::{Context, Error};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// A hub whose instances are always well, and whose resources are there as soon as they are asked for.
struct Hub {
    manifest: HubManifest,
    instances: Vec<ResourceInstance>,
    started: AtomicU64,
}

impl HubDriver for Hub {
    fn manifest(&self) -> &HubManifest {
        &self.manifest
    }
    fn adopt(&self, settings: InstanceSettings) -> BoxFuture<'_, Result<ResourceInstance, Error>> {
        Box::pin(async move { ResourceInstance::from_settings(&settings) })
    }
    fn discover(&self, _: Context) -> BoxFuture<'_, Result<Vec<ResourceInstance>, Error>> {
        Box::pin(async { Ok(self.instances.clone()) })
    }
    fn probe(&self, _: Context, _: Arc<ResourceInstance>) -> BoxFuture<'_, Result<Probe, Error>> {
        Box::pin(async { Ok(Probe::default()) })
    }
    fn refresh(
        &self,
        _: Context,
        _: Arc<ResourceInstance>,
    ) -> BoxFuture<'_, Result<Option<Vec<Capability>>, Error>> {
        Box::pin(async { Ok(None) })
    }
    fn prepare(
        &self,
        _: Context,
        _: Arc<ResourceInstance>,
        _: String,
        _: Option<Value>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
    fn start(&self, _: Context, _: Value) -> BoxFuture<'_, Result<ResourceInstance, Error>> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { Ok(ResourceInstance::new(format!("box-{number}"))) })
    }
    fn stop(&self, _: Context, _: Arc<ResourceInstance>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
    fn reset(&self, _: Context, _: Arc<ResourceInstance>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
    fn control(
        &self,
        _: Context,
        _: String,
        _: Value,
        _: Option<Arc<ResourceInstance>>,
    ) -> BoxStream<'static, Result<ControlItem, Error>> {
        futures_util::stream::empty().boxed()
    }
    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// A pool of these instances, all of them healthy, and with one resource ready of each of these kinds. Its loops stand
/// still while the benchmark runs: they are on a runtime that nobody drives then.
pub(crate) fn pool(
    settings: HubSettings,
    instances: Vec<ResourceInstance>,
    kinds: &[Requirement],
) -> std::io::Result<(Runtime, Pool)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let routable = instances.len() + kinds.len();
    let hub = Arc::new(Hub {
        manifest: HubManifest {
            start: (!kinds.is_empty()).then(|| json!({})),
            ..HubManifest::default()
        },
        instances,
        started: AtomicU64::new(0),
    });
    let pool = runtime.block_on(async {
        let pool = Pool::start(settings, hub, Clock::real(), EventSink::default());
        let kept: Vec<_> = kinds.iter().map(|kind| pool.warm(kind)).collect();
        while pool.metrics().hub.routable < routable {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(kept);
        pool
    });
    Ok((runtime, pool))
}

/// Takes one and gives it back, over and over.
pub(crate) fn lease(bencher: &mut Bencher<'_>, pool: &Pool, requirement: &Requirement) {
    let asker = Asker { principal: "bench" };
    bencher.iter(|| {
        if let Ok(lease) = pool.try_acquire(black_box(requirement), &asker, &Tried::NONE) {
            lease.finish(Outcome::Success);
        }
    });
}

/// Enough rounds to tell, and few enough to wait for.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
}
