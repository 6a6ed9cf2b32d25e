//! What is gone or unwell is used by nobody, and replaced.

use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::{Error, ErrorCode};

use super::{id, settings, spec, wants, warm};
use crate::pool::Refusal;
use crate::pool::testing::{Look, idle, pass};

#[tokio::test(start_paused = true)]
async fn an_idle_one_that_is_lost_is_replaced() {
    let warm = warm(settings(1, 8)).await;
    let _kept = warm.keep("x");
    pass(20.0).await;
    assert_eq!(warm.engine.running(), ["w1"]);
    warm.fleet.pool.lost("w1", "it died");
    assert_eq!(warm.at_once("a", "x").unwrap_err(), Refusal::AllBusy);
    pass(0.2).await;
    assert_eq!(warm.engine.running(), ["w2"]);
    assert_eq!(id(&warm.at_once("a", "x").unwrap()), "w2");
    assert_eq!(
        warm.engine.calls("stop w1"),
        1,
        "what is left of it is cleared away"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_holds_one_that_is_lost_is_told() {
    let warm = warm(settings(0, 8)).await;
    let lease = warm.lease("a", "x").await;
    warm.fleet.pool.lost("w1", "it died");
    tokio::time::timeout(Duration::from_secs(1), lease.lost())
        .await
        .expect("it is told");
    lease.finish(Outcome::Success);
    idle().await;
    assert_eq!(warm.discarded(), [("lost", 1)]);
    assert_eq!(warm.total(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_lost_before_its_start_has_ended_is_not_handed_out() {
    let warm = warm(settings(0, 8)).await;
    let asked = warm.asks("a", wants("x"));
    pass(0.05).await;
    warm.fleet.pool.lost("w1", "it died at once");
    pass(0.06).await;
    let refusal = asked.await.unwrap().unwrap_err();
    assert!(refusal.to_string().contains("it died at once"), "{refusal}");
    idle().await;
    assert_eq!((warm.engine.present(), warm.total()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_dies_as_soon_as_it_runs_is_not_started_over_and_over() {
    let warm = warm(settings(1, 8)).await;
    let _kept = warm.keep("x");
    for _ in 0..1_200 {
        pass(0.1).await;
        for id in warm.engine.running() {
            warm.fleet.pool.lost(&id, "it died");
        }
    }
    // Two minutes: 1, 2, 4, 8, 16, 32, 60 seconds apart.
    assert!(
        (5..=9).contains(&warm.engine.started()),
        "{}",
        warm.engine.started()
    );
    assert!(warm.shelf("x").unwrap().error.unwrap().contains("it died"));
}

#[tokio::test(start_paused = true)]
async fn one_whose_probes_fail_is_replaced() {
    let warm = warm(settings(1, 8)).await;
    let _kept = warm.keep("x");
    pass(20.0).await;
    warm.fleet.hub.fails("w1");
    pass(120.0).await;
    assert_eq!(warm.engine.running(), ["w2"]);
    assert_eq!(warm.discarded(), [("lost", 1)]);
}

#[tokio::test(start_paused = true)]
async fn one_that_a_probe_does_not_find_is_replaced_at_once() {
    let warm = warm(settings(1, 8)).await;
    let _kept = warm.keep("x");
    pass(20.0).await;
    let gone = Error::new(ErrorCode::GONE, plugin_api::Fault::Instance, "no such process");
    warm.fleet.hub.look("w1", Look::Fails(gone));
    warm.fleet.pool.probe_now("w1");
    pass(0.5).await;
    assert_eq!(warm.engine.running(), ["w2"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_drained_is_thrown_away_after_its_use() {
    let warm = warm(settings(0, 8)).await;
    let lease = warm.lease("a", "x").await;
    warm.fleet.pool.drain("w1").unwrap();
    pass(1.0).await;
    assert_eq!(warm.engine.running(), ["w1"]);
    lease.finish(Outcome::Success);
    idle().await;
    assert_eq!(
        (warm.engine.present(), warm.discarded()),
        (0, vec![("drained", 1)])
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_one_that_is_drained_is_thrown_away_at_once() {
    let warm = warm(settings(0, 8)).await;
    warm.lease("a", "x").await.finish(Outcome::Success);
    idle().await;
    warm.fleet.pool.drain("w1").unwrap();
    idle().await;
    assert_eq!(
        (warm.engine.running_of(&spec("x")), warm.discarded()),
        (0, vec![("drained", 1)])
    );
}
