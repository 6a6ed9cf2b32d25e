//! The same under real threads.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use plugin_api::contract::outcome::Outcome;
use serde_json::json;

use super::wants;
use crate::config::settings::{HubSettings, WarmSettings};
use crate::pool::testing::{Engine, FakeHub};
use crate::pool::{Asker, Clock, EventSink, Pool, Tried};

const THREADS: usize = 4;
const TASKS: usize = 16;
const TURNS: usize = 60;
const MAX: u32 = 3;
const CALLERS: [&str; 3] = ["a", "b", "c"];

/// Far more than it takes; only a waiter that nobody wakes gets here.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn threads_that_race_for_resources_never_get_more_than_the_maximum_or_one_together() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let engine = Engine::default();
        let mut hub = FakeHub::default();
        hub.manifest.start = Some(json!({}));
        hub.engine = Some(engine.clone());
        let mut settings = HubSettings::new("hub", "fake-hub");
        settings.queue.timeout = DEADLINE;
        settings.warm = WarmSettings {
            max: MAX,
            max_uses: 4,
            ..WarmSettings::default()
        };
        let pool = Pool::start(settings, Arc::new(hub), Clock::real(), EventSink::default());
        // Who used which, and whether somebody does now.
        let users: Arc<Mutex<HashMap<u64, (&'static str, bool)>>> = Arc::default();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (pool, users) = (pool.clone(), users.clone());
                tokio::spawn(async move {
                    let principal = CALLERS[task % CALLERS.len()];
                    for turn in 0..TURNS {
                        let requirement = wants(["x", "y"][(task + turn) % 2]);
                        let asker = Asker { principal };
                        let lease = pool
                            .acquire(&requirement, &asker, &Tried::NONE, None)
                            .await
                            .unwrap();
                        let key = lease.key();
                        {
                            let mut users = users.lock();
                            let (owner, busy) = users.entry(key).or_insert((principal, false));
                            assert_eq!((*owner, *busy), (principal, false));
                            *busy = true;
                        }
                        tokio::task::yield_now().await;
                        users.lock().insert(key, (principal, false));
                        match turn % 7 {
                            0 => drop(lease),
                            1 => {
                                let id = lease.instance().id.clone();
                                pool.lost(&id, "it died");
                                lease.finish(Outcome::Success);
                            }
                            _ => lease.finish(Outcome::Success),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            tokio::time::timeout(DEADLINE, task)
                .await
                .expect("somebody was overlooked")
                .unwrap();
        }
        assert!(engine.most() <= MAX as usize, "{} at once", engine.most());
        pool.shutdown(tokio::time::Instant::now() + DEADLINE).await;
        assert_eq!((engine.present(), pool.warm_status().unwrap().total), (0, 0));
    });
}
