//! The maximum, who has to make room, and who waits.

use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::{Priority, Requirement};

use super::{id, settings, spec, wants, warm};
use crate::pool::Refusal;
use crate::pool::testing::{idle, pass};

#[tokio::test(start_paused = true)]
async fn there_are_never_more_than_the_maximum_whatever_is_asked_for() {
    let warm = warm(settings(1, 3)).await;
    warm.engine.takes(|takes| takes.stop = Duration::from_millis(300));
    let asked: Vec<_> = ["x", "y", "z", "x", "y", "z", "x", "y"]
        .into_iter()
        .map(|kind| warm.asks("a", wants(kind)))
        .collect();
    for asked in asked {
        let lease = asked.await.unwrap().unwrap();
        pass(0.05).await;
        drop(lease);
    }
    assert_eq!(warm.engine.most(), 3);
}

#[tokio::test(start_paused = true)]
async fn those_that_are_being_stopped_count_until_they_are() {
    let warm = warm(settings(0, 1)).await;
    warm.engine.takes(|takes| takes.stop = Duration::from_secs(2));
    drop(warm.lease("a", "x").await);
    let asked = tokio::time::Instant::now();
    warm.lease("a", "x").await.finish(Outcome::Success);
    assert!(
        asked.elapsed() >= Duration::from_millis(2_100),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(warm.engine.most(), 1);
}

#[tokio::test(start_paused = true)]
async fn at_the_maximum_the_longest_idle_of_another_kind_makes_room() {
    let warm = warm(settings(0, 2)).await;
    warm.lease("a", "old").await.finish(Outcome::Success);
    pass(1.0).await;
    warm.lease("a", "young").await.finish(Outcome::Success);
    pass(1.0).await;
    let lease = warm.lease("a", "new").await;
    assert_eq!(warm.engine.running_of(&spec("old")), 0);
    assert_eq!(warm.engine.running_of(&spec("young")), 1);
    assert_eq!(warm.discarded(), [("evicted", 1)]);
    drop(lease);
}

#[tokio::test(start_paused = true)]
async fn at_the_maximum_what_another_has_used_makes_room_as_well() {
    let warm = warm(settings(0, 1)).await;
    warm.lease("a", "x").await.finish(Outcome::Success);
    pass(1.0).await;
    assert_eq!(warm.lease("b", "x").await.uses(), 1);
    assert_eq!((warm.engine.most(), warm.engine.started()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_in_use_makes_no_room() {
    let warm = warm(settings(0, 1)).await;
    let held = warm.lease("a", "x").await;
    let asked = warm.asks("b", wants("y"));
    pass(5.0).await;
    assert!(!asked.is_finished());
    assert_eq!(warm.engine.running(), [id(&held)]);
    held.finish(Outcome::Success);
    asked.await.unwrap().unwrap();
    assert_eq!(warm.engine.most(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_make_room_than_are_needed() {
    let warm = warm(settings(0, 4)).await;
    warm.engine.takes(|takes| takes.stop = Duration::from_secs(1));
    for kind in ["a", "b", "c", "d"] {
        warm.lease("me", kind).await.finish(Outcome::Success);
        pass(0.01).await;
    }
    let asked = warm.asks("me", wants("e"));
    // Whatever happens meanwhile has everybody looked at again.
    for _ in 0..5 {
        pass(0.1).await;
        warm.at_once("me", "d").unwrap().finish(Outcome::Success);
    }
    let lease = asked.await.unwrap().unwrap();
    assert_eq!(warm.discarded(), [("evicted", 1)]);
    drop(lease);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_served_by_class_and_in_turn() {
    let warm = warm(settings(0, 1)).await;
    let held = warm.lease("a", "x").await;
    let of = |priority| Requirement {
        priority,
        ..wants("x")
    };
    let mut asked = Vec::new();
    for (who, class) in [
        ("greedy", Priority::Normal),
        ("greedy", Priority::Normal),
        ("greedy", Priority::Normal),
        ("modest", Priority::Normal),
        ("urgent", Priority::Urgent),
    ] {
        asked.push((who, warm.asks(who, of(class))));
        idle().await;
    }
    drop(held);
    let mut served = Vec::new();
    for _ in 0..5 {
        pass(0.2).await;
        let at = asked.iter().position(|(_, asked)| asked.is_finished()).unwrap();
        let (who, lease) = asked.remove(at);
        served.push(who);
        drop(lease.await.unwrap().unwrap());
    }
    assert_eq!(served, ["urgent", "greedy", "modest", "greedy", "greedy"]);
    assert_eq!(warm.engine.most(), 1);
}

#[tokio::test(start_paused = true)]
async fn callers_share_the_starts_fairly_whatever_kinds_they_want() {
    let warm = warm(settings(0, 2)).await;
    let greedy: Vec<_> = (0..6).map(|_| warm.asks("greedy", wants("x"))).collect();
    idle().await;
    // Both seats are spoken for; the next belongs to whoever has had none.
    let modest = warm.asks("modest", wants("y"));
    pass(0.11).await;
    let first = greedy.iter().filter(|asked| asked.is_finished()).count();
    assert_eq!(first, 2);
    for asked in greedy.into_iter().take(2) {
        drop(asked.await.unwrap().unwrap());
    }
    pass(0.11).await;
    assert!(modest.is_finished());
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_so() {
    let warm = warm(settings(0, 1)).await;
    let _held = warm.lease("a", "x").await;
    let impatient = Requirement {
        queue_timeout: Some(Duration::from_secs(3)),
        ..wants("x")
    };
    let asked = tokio::time::Instant::now();
    let refusal = warm.ask("b", impatient).await.unwrap_err();
    assert!(matches!(refusal, Refusal::QueueTimeout { .. }), "{refusal:?}");
    assert_eq!(asked.elapsed().as_secs(), 3);
    assert_eq!(warm.fleet.pool.warm_status().unwrap().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lower_maximum_holds_as_soon_as_nobody_uses_what_is_beyond_it() {
    let warm = warm(settings(0, 4)).await;
    let held = [
        warm.lease("a", "x").await,
        warm.lease("a", "x").await,
        warm.lease("a", "x").await,
    ];
    warm.fleet.pool.set_warm_bounds(0, 1);
    idle().await;
    assert_eq!(warm.engine.running().len(), 3, "nobody is interrupted");
    for lease in held {
        lease.finish(Outcome::Success);
    }
    idle().await;
    assert_eq!((warm.engine.running().len(), warm.total()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_maximum_of_none_is_a_reason_and_not_a_wait() {
    let warm = warm(settings(1, 4)).await;
    warm.lease("a", "x").await.finish(Outcome::Success);
    pass(0.5).await;
    warm.fleet.pool.set_warm_bounds(1, 0);
    idle().await;
    assert_eq!(warm.engine.present(), 0);
    let refusal = warm.ask("a", wants("x")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::NoneRoutable { .. }), "{refusal:?}");
    warm.fleet.pool.set_warm_bounds(0, 1);
    warm.lease("a", "x").await.finish(Outcome::Success);
}
