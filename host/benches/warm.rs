//! What a resource of a warm pool costs that is ready: taking it off its shelf and giving it back.
//!
//! The goal is well under 100 µs with a specification as long as those that carry a program. `small` is a short one, `long`
//! one of 32 KiB; `among_64` has as many other kinds beside it.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{Criterion, criterion_group, criterion_main};
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

/// A hub whose resources are there as soon as they are asked for.
struct Hub {
    manifest: HubManifest,
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
        Box::pin(async { Ok(Vec::new()) })
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

/// A pool with one ready of each kind. Its loops stand still while the benchmark runs.
fn pool(runtime: &tokio::runtime::Runtime, kinds: &[Requirement]) -> Pool {
    let mut settings = HubSettings::new("bench", "bench-hub");
    settings.warm.max = 256;
    settings.warm.max_uses = u32::MAX;
    let hub = Arc::new(Hub {
        manifest: HubManifest {
            start: Some(json!({})),
            ..HubManifest::default()
        },
        started: AtomicU64::new(0),
    });
    runtime.block_on(async {
        let pool = Pool::start(settings, hub, Clock::real(), EventSink::default());
        let kept: Vec<_> = kinds.iter().map(|kind| pool.warm(kind)).collect();
        while pool.metrics().hub.routable < kinds.len() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        drop(kept);
        pool
    })
}

/// A specification that carries a program of so many bytes.
fn wants(number: usize, bytes: usize) -> Requirement {
    let specification = json!({
        "image": format!("image-{number}"),
        "command": ["python3", "-I", "-c", "x".repeat(bytes)],
        "environment": { "LANG": "C.UTF-8", "HOME": "/tmp" },
        "limits": { "memory_bytes": 268_435_456, "cpus": 1.0, "processes": 64 },
        "scratch": [{ "path": "/tmp", "bytes": 67_108_864, "files": 1000, "mode": 0o1777 }],
        "capabilities": ["SETUID", "SETGID", "KILL"],
    });
    Requirement {
        specification: Some(specification),
        ..Requirement::default()
    }
}

fn warm(criterion: &mut Criterion) {
    let cases = [
        ("small", vec![wants(0, 100)]),
        ("long", vec![wants(0, 32 << 10)]),
        ("among_64", (0..64).map(|number| wants(number, 100)).collect()),
    ];
    let asker = Asker { principal: "bench" };
    let mut group = criterion.benchmark_group("warm");
    for (name, kinds) in cases {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return;
        };
        let pool = pool(&runtime, &kinds);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                if let Ok(lease) = pool.try_acquire(black_box(&kinds[0]), &asker, &Tried::NONE) {
                    lease.finish(Outcome::Success);
                }
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30).warm_up_time(std::time::Duration::from_millis(500)).measurement_time(std::time::Duration::from_secs(1));
    targets = warm
}
criterion_main!(benches);
