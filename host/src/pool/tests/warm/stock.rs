//! How many are ready, and for how long.

use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;

use super::{Warm, id, settings, spec, wants, warm};
use crate::config::settings::WarmSettings;
use crate::pool::Refusal;
use crate::pool::testing::{idle, pass};

#[tokio::test(start_paused = true)]
async fn what_is_to_be_kept_warm_is_ready_before_anybody_asks() {
    let warm = warm(settings(2, 8)).await;
    let _kept = warm.keep("x");
    pass(0.2).await;
    let shelf = warm.shelf("x").unwrap();
    assert_eq!(
        (shelf.idle, shelf.unused, shelf.target, shelf.kept),
        (2, 2, 2, true)
    );
    warm.at_once("a", "x").unwrap();
    assert_eq!(warm.fleet.pool.warm_status().unwrap().hits, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_warm_stays_so_though_nobody_asks() {
    let warm = warm(settings(1, 8)).await;
    let _kept = warm.keep("x");
    for _ in 0..50 {
        pass(1_000.0).await;
        assert!(warm.shelf("x").unwrap().unused >= 1, "there is always one");
    }
    assert!(warm.engine.started() > 10, "none is kept beyond its lifetime");
    assert_eq!(warm.engine.most(), 2, "its successor is started before it goes");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_wants_kept_warm_any_more_is_stopped_and_forgotten() {
    let warm = warm(settings(1, 8)).await;
    let (one, other) = (warm.keep("x"), warm.keep("x"));
    pass(400.0).await;
    drop(one);
    pass(400.0).await;
    assert_eq!(warm.engine.running().len(), 1, "somebody still wants it");
    drop(other);
    pass(400.0).await;
    assert_eq!(warm.engine.running().len(), 0);
    assert!(warm.shelf("x").is_none());
}

#[tokio::test(start_paused = true)]
async fn one_taken_is_made_up_for_before_the_next_asks() {
    let warm = warm(settings(1, 8)).await;
    drop(warm.lease("a", "x").await);
    drop(warm.lease("a", "x").await);
    for who in ["b", "c", "d", "e"] {
        pass(2.0).await;
        let lease = warm.at_once(who, "x").unwrap();
        assert_eq!(lease.uses(), 1);
        lease.finish(Outcome::Success);
    }
    let status = warm.fleet.pool.warm_status().unwrap();
    assert_eq!((status.hits, status.misses), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn a_kind_nobody_asks_for_any_more_is_stopped_and_forgotten() {
    let warm = warm(settings(1, 8)).await;
    for who in ["a", "b"] {
        warm.lease(who, "x").await.finish(Outcome::Success);
    }
    pass(290.0).await;
    assert_eq!(warm.engine.running().len(), 3);
    pass(320.0).await;
    assert_eq!((warm.engine.running().len(), warm.total()), (0, 0));
    assert!(warm.shelf("x").is_none());
    assert_eq!(warm.discarded(), [("idle", 3)]);
}

/// Once in a while so many at once, each used once.
async fn bursts(warm: &Warm, size: usize, count: usize) -> u64 {
    let mut misses = 0;
    for _ in 0..count {
        let before = warm.fleet.pool.warm_status().unwrap().misses;
        let once = || Requirement {
            max_uses: Some(1),
            ..wants("x")
        };
        let asked: Vec<_> = (0..size).map(|_| warm.asks("a", once())).collect();
        for lease in asked {
            lease.await.unwrap().unwrap().finish(Outcome::Success);
        }
        misses = warm.fleet.pool.warm_status().unwrap().misses - before;
        pass(10.0).await;
    }
    misses
}

#[tokio::test(start_paused = true)]
async fn as_many_are_ready_as_came_at_once_of_late() {
    let warm = warm(settings(1, 20)).await;
    assert_eq!(bursts(&warm, 6, 1).await, 6);
    assert_eq!(
        bursts(&warm, 6, 3).await,
        0,
        "the second burst finds all of them ready"
    );
    let ready = warm.shelf("x").unwrap().unused;
    assert!((5..=7).contains(&ready), "{ready}");
    // The need is forgotten before the kind is.
    pass(240.0).await;
    warm.lease("a", "x").await.finish(Outcome::Success);
    pass(240.0).await;
    assert!(warm.shelf("x").unwrap().unused <= 2, "{:?}", warm.shelf("x"));
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_to_its_own_asks_for_no_more() {
    let warm = warm(settings(1, 8)).await;
    for _ in 0..300 {
        warm.lease("a", "x").await.finish(Outcome::Success);
        pass(0.2).await;
    }
    // Three were used up, and one is always ready for somebody else.
    assert!(warm.engine.started() <= 5, "{}", warm.engine.started());
    assert_eq!(warm.shelf("x").unwrap().unused, 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_in_use_is_ever_taken_away() {
    let warm = warm(WarmSettings {
        idle_timeout: Duration::from_secs(10),
        max_lifetime: Duration::from_secs(60),
        ..settings(0, 8)
    })
    .await;
    let lease = warm.lease("a", "x").await;
    pass(600.0).await;
    assert_eq!(warm.engine.running(), [id(&lease)]);
    lease.finish(Outcome::Success);
    idle().await;
    assert_eq!(warm.discarded(), [("too_old", 1)]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_too_old_is_not_used_again() {
    let warm = warm(WarmSettings {
        max_lifetime: Duration::from_secs(60),
        ..settings(0, 8)
    })
    .await;
    warm.lease("a", "x").await.finish(Outcome::Success);
    pass(61.0).await;
    assert_eq!(warm.at_once("a", "x").unwrap_err(), Refusal::AllBusy);
    assert_eq!(warm.discarded(), [("too_old", 1)]);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_come_before_what_should_be_ready() {
    let warm = warm(settings(2, 2)).await;
    let _kept = warm.keep("x");
    pass(0.2).await;
    let (one, other) = (warm.at_once("a", "x").unwrap(), warm.at_once("a", "x").unwrap());
    let asked = warm.asks("b", wants("y"));
    idle().await;
    drop(one);
    pass(0.11).await;
    assert!(
        asked.is_finished(),
        "the seat that became free was not its own kind's"
    );
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_warm_takes_a_seat_from_what_is_not() {
    let warm = warm(settings(1, 2)).await;
    for kind in ["y", "z"] {
        warm.lease("a", kind).await.finish(Outcome::Success);
        pass(0.5).await;
    }
    let _kept = warm.keep("x");
    pass(0.5).await;
    assert_eq!(warm.engine.running_of(&spec("x")), 1);
    assert_eq!((warm.engine.running().len(), warm.engine.most()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_started_yet_is_kept_warm_as_soon_as_it_can() {
    let warm = warm(settings(1, 8)).await;
    let missing = plugin_api::Error::not_found("no image `x`");
    warm.engine.fails(&spec("x"), Some(missing));
    let _kept = warm.keep("x");
    pass(300.0).await;
    assert!(warm.engine.started() < 15, "{}", warm.engine.started());
    assert!(warm.shelf("x").unwrap().error.is_some());
    warm.engine.fails(&spec("x"), None);
    pass(61.0).await;
    assert_eq!(warm.shelf("x").unwrap().unused, 1);
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_shelves_than_there_is_use_for() {
    let warm = warm(settings(0, 2)).await;
    let missing = plugin_api::Error::not_found("no image");
    for number in 0..1_000 {
        let name = format!("x{number}");
        warm.engine.fails(&spec(&name), Some(missing.clone()));
        warm.ask("a", wants(&name)).await.unwrap_err();
    }
    let shelves = warm.fleet.pool.warm_status().unwrap().shelves.len();
    assert!(shelves <= 256, "{shelves}");
}
