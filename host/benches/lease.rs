//! What a lease costs: taking an instance and giving it back, in fleets of 10, 1 000 and 10 000.
//!
//! The goal is under a microsecond, and no more than twice as much in the largest fleet as in the smallest. `hash_based`
//! is in the list because it has most to do; `tagged` and `model` show what filters cost.

mod common;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gleitzeit::config::settings::HubSettings;
use plugin_api::contract::instance::{Capability, Residency, ResourceInstance};
use plugin_api::contract::requirement::{Requirement, Strategy};

/// One that is asked for here; every other one carries a tag.
fn instance(number: usize) -> ResourceInstance {
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
    for (name, requirement) in cases {
        let mut group = criterion.benchmark_group(name);
        for size in [10, 1_000, 10_000] {
            let mut settings = HubSettings::new("bench", "bench-hub");
            settings.health.refresh = std::time::Duration::ZERO;
            let instances = (0..size).map(instance).collect();
            let Ok((_runtime, pool)) = common::pool(settings, instances, &[]) else {
                return;
            };
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                common::lease(bencher, &pool, &requirement)
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = lease
}
criterion_main!(benches);
