//! Callers that want more than there is, and what each of them gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Warm, settings, spec, wants, warm};
use crate::pool::testing::pass;
use crate::pool::{Asker, Pool, Refusal, Tried};

/// Somebody who asks again as soon as a run has ended, with so many runs at once. Stops when dropped.
struct Busy {
    done: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Busy {
    fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

fn busy(warm: &Warm, who: &'static str, kind: &'static str, at_once: usize, takes: f64) -> Busy {
    let (done, refused) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let (pool, done, refused) = (warm.fleet.pool.clone(), done.clone(), refused.clone());
        tasks.spawn(async move {
            loop {
                let counter = match run(&pool, who, kind, takes).await {
                    Ok(_) => &done,
                    Err(_) => &refused,
                };
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    Busy {
        done,
        refused,
        _tasks: tasks,
    }
}

/// One run, and how long it took to get what it needs.
async fn run(pool: &Pool, who: &'static str, kind: &str, takes: f64) -> Result<Duration, Refusal> {
    let requirement = Requirement {
        queue_timeout: Some(Duration::from_secs(20)),
        ..wants(kind)
    };
    let begun = Instant::now();
    let lease = pool
        .acquire(&requirement, &Asker { principal: who }, &Tried::NONE, None)
        .await?;
    let waited = begun.elapsed();
    pass(takes).await;
    lease.finish(Outcome::Success);
    // Nobody asks again in no time.
    pass(0.002).await;
    Ok(waited)
}

/// A pool whose resources take half a second to start.
async fn slow(max: u32) -> Warm {
    let warm = warm(settings(0, max)).await;
    warm.engine.takes(|takes| {
        takes.start = Duration::from_millis(500);
        takes.stop = Duration::from_millis(50);
    });
    warm
}

#[tokio::test(start_paused = true)]
async fn who_comes_now_and_then_is_served_however_much_another_asks_for() {
    let cases = [8, 9, 12, 30, 200].map(|at_once| [(at_once, false), (at_once, true)]);
    for (at_once, kept) in cases.into_iter().flatten() {
        let warm = slow(8).await;
        warm.fleet.pool.set_warm_bounds(1, 8);
        let _kept = kept.then(|| warm.keep("x"));
        run(&warm.fleet.pool, "bob", "x", 0.004).await.unwrap();
        let alice = busy(&warm, "alice", "x", at_once, 0.3);
        pass(10.0).await;
        let mut waits = Vec::new();
        for _ in 0..60 {
            waits.push(run(&warm.fleet.pool, "bob", "x", 0.004).await.unwrap());
            pass(1.0).await;
        }
        let longest = waits.iter().max().unwrap();
        assert!(*longest < Duration::from_millis(1_000), "{at_once}: {waits:?}");
        let late = waits.iter().filter(|wait| **wait > Duration::from_millis(1));
        assert!(
            late.count() <= 1,
            "{at_once}: only the first may need a start: {waits:?}"
        );
        assert_eq!((alice.refused(), warm.engine.most()), (0, 8));
        let started = warm.engine.started();
        assert!(started <= 11 + alice.done() / 100, "{at_once}: {started} starts");
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_seldom_is_served_within_a_start_and_a_run() {
    let warm = slow(8).await;
    let alice = busy(&warm, "alice", "x", 30, 0.3);
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        pass(30.0).await;
        longest = longest.max(run(&warm.fleet.pool, "bob", "x", 0.004).await.unwrap());
    }
    assert!(longest < Duration::from_millis(1_000), "{longest:?}");
    assert_eq!((alice.refused(), warm.engine.most()), (0, 8));
}

#[tokio::test(start_paused = true)]
async fn two_who_are_busy_come_to_hold_equally_many() {
    for (max, at_once) in [(8, 30), (8, 4), (3, 10), (2, 1)] {
        let warm = slow(max).await;
        let alice = busy(&warm, "alice", "x", 30, 0.3);
        pass(20.0).await;
        let bob = busy(&warm, "bob", "y", at_once, 0.3);
        pass(10.0).await;
        let (before, started) = ((alice.done(), bob.done()), warm.engine.started());
        let held = ["x", "y"].map(|kind| warm.engine.running_of(&spec(kind)));
        assert!(held[0].abs_diff(held[1]) <= 1, "{max}: {held:?}");
        pass(60.0).await;
        let done = [alice.done() - before.0, bob.done() - before.1];
        let share = done[1] as f64 / (done[0] + done[1]) as f64;
        let least = f64::from(max / 2) / f64::from(max) - 0.05;
        assert!((least..=1.05 - least).contains(&share), "{max}: {done:?}");
        let used_up = (done[0] + done[1]) / 100 + 2;
        let starts = warm.engine.started() - started;
        assert!(
            starts <= 2 * used_up,
            "{max}: they take nothing from each other: {starts}"
        );
        assert_eq!(warm.engine.most(), max as usize);
        assert_eq!(alice.refused() + bob.refused(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn two_on_one_seat_alternate_a_turn_each() {
    for at_once in [1, 10] {
        let warm = slow(1).await;
        let alice = busy(&warm, "alice", "x", at_once, 0.05);
        let bob = busy(&warm, "bob", "x", at_once, 0.05);
        pass(120.0).await;
        let done = [alice.done(), bob.done()];
        assert!(done[0].abs_diff(done[1]) <= 40, "{done:?}");
        assert!(done[0] > 500, "{done:?}");
        // A turn and a start take a second and a half.
        let starts = warm.engine.started();
        assert!(starts <= 80, "{starts}");
        assert_eq!((warm.engine.most(), alice.refused() + bob.refused()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn more_callers_than_seats_are_all_served() {
    let warm = slow(2).await;
    let all: Vec<_> = ["a", "b", "c", "d", "e"]
        .map(|who| busy(&warm, who, "x", 3, 0.1))
        .into_iter()
        .collect();
    pass(120.0).await;
    let done: Vec<_> = all.iter().map(Busy::done).collect();
    let (least, most) = (done.iter().min().unwrap(), done.iter().max().unwrap());
    assert!(*least > 100 && most - least <= most / 3, "{done:?}");
    assert_eq!(all.iter().map(Busy::refused).sum::<usize>(), 0);
    assert!(warm.engine.started() <= 200, "{}", warm.engine.started());
}

#[tokio::test(start_paused = true)]
async fn who_is_alone_loses_nothing() {
    for at_once in [1, 8, 30] {
        let warm = slow(8).await;
        let alice = busy(&warm, "alice", "x", at_once, 0.1);
        pass(5.0).await;
        assert_eq!(warm.discarded(), []);
        let (before, seats) = (alice.done(), at_once.min(8));
        pass(2.0).await;
        let done = alice.done() - before;
        assert!(done >= seats * 19, "{at_once}: {done}");
        assert_eq!(warm.discarded(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn one_callers_own_kinds_do_not_starve_each_other() {
    let warm = slow(2).await;
    let common = busy(&warm, "alice", "x", 20, 0.1);
    pass(5.0).await;
    for _ in 0..10 {
        let waited = run(&warm.fleet.pool, "alice", "y", 0.004).await.unwrap();
        assert!(waited < Duration::from_secs(4), "{waited:?}");
    }
    assert_eq!(common.refused(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_for_a_caller_makes_room_in_the_end() {
    let warm = slow(2).await;
    run(&warm.fleet.pool, "bob", "x", 0.004).await.unwrap();
    let _held = warm.lease("alice", "x").await;
    let waited = run(&warm.fleet.pool, "alice", "y", 0.004).await.unwrap();
    assert!((9..12).contains(&waited.as_secs()), "{waited:?}");
}
