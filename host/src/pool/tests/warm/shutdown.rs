//! The end of a pool, whatever is under way.

use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use tokio::time::Instant;

use super::{settings, wants, warm, warm_with};
use crate::pool::Refusal;
use crate::pool::testing::{idle, pass};

fn in_ten_seconds() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[tokio::test(start_paused = true)]
async fn a_hundred_are_stopped_together() {
    let warm = warm(settings(100, 100)).await;
    warm.engine.takes(|takes| takes.stop = Duration::from_secs(2));
    let _kept = warm.keep("x");
    pass(0.2).await;
    assert_eq!(warm.engine.running().len(), 100);
    let begun = Instant::now();
    warm.fleet.pool.shutdown(in_ten_seconds()).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(warm.engine.present(), 0);
    assert_eq!(warm.engine.calls("stop"), 100, "each once");
    assert!(warm.fleet.ids().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_being_started_or_reset_at_that_moment_is_not_left_behind() {
    let warm = warm_with(settings(0, 8), true).await;
    warm.engine.takes(|takes| takes.reset = Duration::from_secs(30));
    warm.lease("a", "x").await.finish(Outcome::Success);
    warm.engine.takes(|takes| takes.start = Duration::from_secs(30));
    let waiting = warm.asks("b", wants("x"));
    pass(1.0).await;
    assert_eq!(warm.engine.present(), 2);
    let begun = Instant::now();
    warm.fleet.pool.shutdown(in_ten_seconds()).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(warm.engine.present(), 0);
    assert_eq!(waiting.await.unwrap().unwrap_err(), Refusal::Closed);
}

#[tokio::test(start_paused = true)]
async fn one_in_use_may_finish_and_is_stopped_then() {
    let warm = warm(settings(0, 8)).await;
    let lease = warm.lease("a", "x").await;
    let pool = warm.fleet.pool.clone();
    let stopping = tokio::spawn(async move { pool.shutdown(in_ten_seconds()).await });
    pass(3.0).await;
    assert_eq!(warm.engine.running().len(), 1);
    lease.finish(Outcome::Success);
    stopping.await.unwrap();
    assert_eq!((warm.engine.present(), warm.engine.calls("stop")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_held_beyond_the_deadline_is_stopped_all_the_same_and_once() {
    let warm = warm(settings(0, 8)).await;
    let lease = warm.lease("a", "x").await;
    warm.fleet.pool.shutdown(in_ten_seconds()).await;
    assert_eq!(warm.engine.present(), 0);
    drop(lease);
    idle().await;
    assert_eq!((warm.engine.calls("stop"), warm.total()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn afterwards_nothing_is_started_or_handed_out() {
    let warm = warm(settings(1, 8)).await;
    let _kept = warm.keep("x");
    pass(0.2).await;
    warm.fleet.pool.shutdown(in_ten_seconds()).await;
    let started = warm.engine.started();
    assert_eq!(warm.ask("a", wants("x")).await.unwrap_err(), Refusal::Closed);
    assert!(warm.fleet.pool.warm(&wants("y")).is_err());
    pass(1_000.0).await;
    assert_eq!((warm.engine.started(), warm.engine.present()), (started, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_fails_at_the_end_is_tried_again() {
    for in_use in [false, true] {
        let warm = warm(settings(0, 8)).await;
        let lease = warm.lease("a", "x").await;
        let held = if in_use {
            Some(lease)
        } else {
            lease.finish(Outcome::Success);
            None
        };
        warm.engine.stops_fail(2);
        warm.fleet.pool.shutdown(in_ten_seconds()).await;
        assert_eq!(
            (warm.engine.present(), warm.engine.calls("stop")),
            (0, 3),
            "{in_use}"
        );
        drop(held);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stopped_at_all_keeps_the_end_from_nobody() {
    let warm = warm(settings(0, 8)).await;
    warm.lease("a", "x").await.finish(Outcome::Success);
    warm.engine.stops_fail(usize::MAX);
    let begun = Instant::now();
    warm.fleet.pool.shutdown(in_ten_seconds()).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(warm.engine.calls("stop"), 3);
}
