//! What choosing an instance costs at 10, 64, 1 000 and 10 000 instances, for every strategy; with the loads an
//! engine would do to see one (breaker, error rate, latency, in flight) behind a pointer of its own.
//!
//! `cargo bench -p gleitzeit-plugin-api --bench balance`

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use plugin_api::contract::balance::{Ask, Choice, Member, Reach, Roster, View, choose, key_hash};
use plugin_api::contract::breaker::{Breaker, BreakerPolicy};
use plugin_api::contract::metrics::InstanceMetrics;
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Strategy;
use plugin_api::contract::time::Tick;

struct Instance {
    in_flight: AtomicU32,
    last_turn: AtomicU64,
    breaker: Breaker,
    metrics: InstanceMetrics,
}

struct Fleet {
    instances: Vec<Arc<Instance>>,
    roster: Roster,
    turns: AtomicU64,
}

const NOW: Tick = Tick::from_nanos(1_000_000_000);

impl Fleet {
    fn of(size: usize) -> Self {
        let instances: Vec<_> = (0..size)
            .map(|_| {
                Arc::new(Instance {
                    in_flight: AtomicU32::new(0),
                    last_turn: AtomicU64::new(0),
                    breaker: Breaker::new(BreakerPolicy::default()),
                    metrics: InstanceMetrics::new(),
                })
            })
            .collect();
        for instance in &instances {
            instance.metrics.first_byte(Duration::from_millis(20), NOW);
        }
        Self {
            roster: Roster::new((0..size).map(|place| Member {
                id_hash: key_hash(format!("gpu{place}:11434")),
                weight: 1.0 + (place % 3) as f64,
                priority: (place % 2) as i32,
                reach: if place % 10 == 0 {
                    Reach::Ready
                } else {
                    Reach::Stored
                },
            })),
            instances,
            turns: AtomicU64::new(1),
        }
    }

    fn view(&self, place: usize) -> Option<View> {
        let instance = &self.instances[place];
        instance.breaker.permits(NOW).then(|| View {
            in_flight: instance.in_flight.load(Ordering::Relaxed),
            capacity: Some(4),
            degraded: false,
            reach: if place.is_multiple_of(10) {
                Reach::Ready
            } else {
                Reach::Stored
            },
            error_rate: instance.metrics.error_rate.get(NOW),
            latency: instance.metrics.recent_latency.get(NOW),
            last_turn: instance.last_turn.load(Ordering::Relaxed),
        })
    }

    fn choose(&self, strategy: Strategy, affinity: Option<u64>) -> usize {
        let ask = Ask {
            affinity,
            waiting: 0,
            turn: self.turns.fetch_add(1, Ordering::Relaxed),
        };
        match choose(strategy, &self.roster, &|place| self.view(place), &ask) {
            Choice::Take(place) => {
                self.instances[place].last_turn.store(ask.turn, Ordering::Relaxed);
                place
            }
            other => panic!("an idle fleet answered {other:?}"),
        }
    }

    fn lease_and_release(&self, strategy: Strategy, affinity: Option<u64>) {
        let instance = &self.instances[self.choose(strategy, affinity)];
        let admission = instance.breaker.admit(NOW).expect("closed");
        instance.in_flight.fetch_add(1, Ordering::AcqRel);
        black_box(&instance);
        instance.in_flight.fetch_sub(1, Ordering::AcqRel);
        instance
            .breaker
            .settle(admission.permit, Outcome::Success, NOW, 0.5);
        instance
            .metrics
            .finish(Outcome::Success, Duration::from_millis(20), true, NOW);
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let fleets = [10, 64, 1_000, 10_000].map(|size| (size, Fleet::of(size)));
    let key = Some(key_hash("a conversation"));
    for (strategy, name) in Strategy::ALL {
        let mut group = criterion.benchmark_group(format!("choose/{name}"));
        for (size, fleet) in &fleets {
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| fleet.choose(black_box(strategy), key));
            });
        }
        group.finish();
    }
    let mut group = criterion.benchmark_group("lease_and_release/least_loaded");
    for (size, fleet) in &fleets {
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| fleet.lease_and_release(black_box(Strategy::LeastLoaded), None));
        });
    }
    group.finish();
    criterion.final_summary();
}
