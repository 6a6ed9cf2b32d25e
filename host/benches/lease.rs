//! What a lease costs: taking an instance and giving it back, in fleets of 10, 1 000 and 10 000.
//!
//! The goal is under a microsecond, and no more than twice as much in the largest fleet as in the smallest. `hash_based`
//! is in the list because it has most to do; `tagged` and `model` show what filters cost.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use gleitzeit::config::settings::HubSettings;
use gleitzeit::plugin::driver::{ControlItem, HubDriver};
use gleitzeit::pool::{Asker, Clock, EventSink, Pool, Tried};
use plugin_api::contract::instance::{Capability, InstanceSettings, Residency, ResourceInstance};
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::probe::Probe;
use plugin_api::contract::requirement::{Requirement, Strategy};
use plugin_api::manifest::HubManifest;
use plugin_api::{Context, Error};
use serde_json::Value;

/// A hub of instances that are always well; every other one carries a tag.
struct Hub {
    manifest: HubManifest,
    size: usize,
}

impl HubDriver for Hub {
    fn manifest(&self) -> &HubManifest {
        &self.manifest
    }
    fn adopt(&self, settings: InstanceSettings) -> BoxFuture<'_, Result<ResourceInstance, Error>> {
        Box::pin(async move { ResourceInstance::from_settings(&settings) })
    }
    fn discover(&self, _: Context) -> BoxFuture<'_, Result<Vec<ResourceInstance>, Error>> {
        Box::pin(async {
            let instance = |number: usize| {
                let mut instance = ResourceInstance::new(format!("instance-{number}"));
                instance.dialects = vec!["plain".into()];
                instance.max_concurrent = Some(4);
                if number.is_multiple_of(2) {
                    instance.tags.insert("even".into());
                }
                instance.capabilities = vec![Capability {
                    name: "m:latest".into(),
                    residency: Residency::Loaded,
                    ..Capability::default()
                }];
                instance
            };
            Ok((0..self.size).map(instance).collect())
        })
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
        Box::pin(async { Err(Error::unsupported("starting")) })
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

/// A pool of this size with every instance healthy. Its loops stand still while the benchmark runs.
fn pool(runtime: &tokio::runtime::Runtime, size: usize) -> Pool {
    let mut settings = HubSettings::new("bench", "bench-hub");
    settings.health.refresh = std::time::Duration::ZERO;
    let hub = Arc::new(Hub {
        manifest: HubManifest::default(),
        size,
    });
    runtime.block_on(async {
        let pool = Pool::start(settings, hub, Clock::real(), EventSink::default());
        while pool.metrics().hub.routable < size {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        pool
    })
}

fn requirement(strategy: Strategy) -> Requirement {
    Requirement {
        strategy: Some(strategy),
        ..Requirement::default()
    }
}

fn lease(criterion: &mut Criterion) {
    let model = Requirement {
        capability: Some("m:latest".into()),
        ..requirement(Strategy::LeastLoaded)
    };
    let cases = [
        ("least_loaded", requirement(Strategy::LeastLoaded)),
        ("round_robin", requirement(Strategy::RoundRobin)),
        ("random", requirement(Strategy::Random)),
        (
            "hash_based",
            Requirement {
                affinity: Some("user-1".into()),
                ..requirement(Strategy::HashBased)
            },
        ),
        ("model", model.clone()),
        (
            "model_affinity",
            Requirement {
                strategy: Some(Strategy::ModelAffinity),
                ..model.clone()
            },
        ),
        (
            "tagged",
            Requirement {
                tags: ["even".to_owned()].into(),
                dialects: vec!["plain".into()],
                ..model
            },
        ),
    ];
    let asker = Asker { principal: "bench" };
    for (name, requirement) in cases {
        let mut group = criterion.benchmark_group(name);
        for size in [10, 1_000, 10_000] {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            let pool = pool(&runtime, size);
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| {
                    if let Ok(lease) = pool.try_acquire(black_box(&requirement), &asker, &Tried::NONE) {
                        lease.finish(Outcome::Success);
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30).warm_up_time(std::time::Duration::from_millis(500)).measurement_time(std::time::Duration::from_secs(1));
    targets = lease
}
criterion_main!(benches);
