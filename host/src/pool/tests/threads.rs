//! The same under real threads.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::{Priority, Requirement};

use crate::config::settings::HubSettings;
use crate::pool::testing::{FakeHub, configured};
use crate::pool::{Asker, Clock, EventSink, Pool, Tried};

const THREADS: usize = 4;
const TASKS: usize = 24;
const TURNS: usize = 150;
const LIMIT: u32 = 2;

/// Far more than it takes; only a waiter that nobody wakes gets here.
const DEADLINE: Duration = Duration::from_secs(60);

async fn pool() -> Pool {
    let mut settings = HubSettings::new("hub", "fake-hub");
    settings.instances = ["a", "b", "c"].map(configured).into();
    settings.max_concurrent = Some(LIMIT);
    settings.queue.timeout = DEADLINE;
    let pool = Pool::start(
        settings,
        Arc::new(FakeHub::default()),
        Clock::real(),
        EventSink::default(),
    );
    while pool.metrics().hub.routable < 3 {
        tokio::task::yield_now().await;
    }
    pool
}

#[test]
fn limits_hold_and_no_wake_up_is_lost_when_many_threads_compete() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let pool = pool().await;
        let inside: Arc<HashMap<String, AtomicU32>> = Arc::new(
            ["a", "b", "c"]
                .map(|id| (id.to_owned(), AtomicU32::new(0)))
                .into(),
        );
        let (served, given_up) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (pool, inside) = (pool.clone(), inside.clone());
                let (served, given_up) = (served.clone(), given_up.clone());
                tokio::spawn(async move {
                    let principal = format!("caller-{}", task % 5);
                    for turn in 0..TURNS {
                        let requirement = Requirement {
                            priority: Priority::ALL[(task + turn) % 4].0,
                            ..Requirement::default()
                        };
                        let asker = Asker {
                            principal: &principal,
                        };
                        let acquire = pool.acquire(&requirement, &asker, &Tried::NONE, None);
                        // Some give up after a while that may be too short, too long, or just in between.
                        let lease = if turn % 3 == 0 {
                            let patience = Duration::from_micros(fastrand::u64(0..2000));
                            match tokio::time::timeout(patience, acquire).await {
                                Ok(lease) => lease,
                                Err(_) => {
                                    given_up.fetch_add(1, Ordering::Relaxed);
                                    continue;
                                }
                            }
                        } else {
                            acquire.await
                        };
                        let lease = lease.expect("everybody is served before the deadline");
                        let count = &inside[&lease.instance().id];
                        assert!(
                            count.fetch_add(1, Ordering::SeqCst) < LIMIT,
                            "more than the limit"
                        );
                        tokio::task::yield_now().await;
                        count.fetch_sub(1, Ordering::SeqCst);
                        served.fetch_add(1, Ordering::Relaxed);
                        match turn % 4 {
                            0 => drop(lease),
                            _ => lease.finish(Outcome::Success),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let metrics = pool.metrics();
        assert_eq!((metrics.hub.in_flight, metrics.hub.queue_depth), (0, 0));
        let (served, given_up) = (served.load(Ordering::Relaxed), given_up.load(Ordering::Relaxed));
        assert_eq!(served + given_up, TASKS * TURNS);
        assert_eq!(
            metrics.hub.counted.total.outcomes.total() as usize,
            served,
            "counted once each"
        );
    });
}
