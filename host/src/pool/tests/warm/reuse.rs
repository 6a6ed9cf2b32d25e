//! Who gets a resource, and who gets it again.

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;
use serde_json::json;

use super::{id, settings, spec, wants, warm, warm_with};
use crate::config::settings::WarmSettings;
use crate::pool::Refusal;
use crate::pool::testing::{fleet, idle, pass};

#[tokio::test(start_paused = true)]
async fn the_first_requests_wait_for_a_start_and_the_next_do_not() {
    let warm = warm(settings(1, 8)).await;
    let (first, second) = (warm.lease("a", "x").await, warm.lease("b", "x").await);
    assert_eq!((first.uses(), second.uses()), (1, 1));
    pass(0.2).await;
    let third = warm.at_once("c", "x").unwrap();
    assert!(![id(&first), id(&second)].contains(&id(&third)));
    let status = warm.fleet.pool.warm_status().unwrap();
    assert_eq!((status.hits, status.misses), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn whoever_used_one_gets_it_again() {
    let warm = warm(settings(1, 8)).await;
    let first = warm.lease("a", "x").await;
    let used = id(&first);
    first.finish(Outcome::Success);
    pass(1.0).await;
    for uses in 2..5 {
        let again = warm.at_once("a", "x").unwrap();
        assert_eq!((id(&again), again.uses()), (used.clone(), uses));
        again.finish(Outcome::Success);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_only_offered_is_whose_it_was_before() {
    let warm = warm(settings(0, 8)).await;
    let offered = warm.lease("a", "x").await;
    let fresh = id(&offered);
    offered.unused();
    idle().await;
    let taken = warm.at_once("b", "x").unwrap();
    assert_eq!((id(&taken), taken.uses()), (fresh.clone(), 1));
    taken.finish(Outcome::Success);
    idle().await;
    warm.at_once("b", "x").unwrap().unused();
    idle().await;
    assert_eq!(warm.at_once("a", "x").unwrap_err(), Refusal::AllBusy);
    let again = warm.at_once("b", "x").unwrap();
    assert_eq!((id(&again), again.uses()), (fresh, 2));
}

#[tokio::test(start_paused = true)]
async fn what_one_has_used_nobody_else_gets() {
    let warm = warm(settings(0, 8)).await;
    let first = warm.lease("a", "x").await;
    let used = id(&first);
    first.finish(Outcome::Success);
    idle().await;
    assert_eq!(warm.at_once("b", "x").unwrap_err(), Refusal::AllBusy);
    assert_ne!(id(&warm.lease("b", "x").await), used);
    assert_eq!(id(&warm.at_once("a", "x").unwrap()), used);
}

#[tokio::test(start_paused = true)]
async fn a_resource_is_used_by_one_request_at_a_time() {
    let warm = warm(settings(0, 8)).await;
    let first = warm.lease("a", "x").await;
    let second = warm.lease("a", "x").await;
    assert_ne!(id(&first), id(&second));
}

#[tokio::test(start_paused = true)]
async fn the_order_of_keys_makes_no_other_kind_and_any_difference_does() {
    let warm = warm(settings(0, 8)).await;
    warm.lease("a", "x").await.finish(Outcome::Success);
    let turned = Requirement {
        specification: Some(json!({ "limits": { "memory": 1 }, "image": "x" })),
        ..Requirement::default()
    };
    let again = warm.ask("a", turned).await.unwrap();
    assert_eq!(again.uses(), 2);
    again.finish(Outcome::Success);
    let larger = Requirement {
        specification: Some(json!({ "limits": { "memory": 2 }, "image": "x" })),
        ..Requirement::default()
    };
    assert_eq!(warm.ask("a", larger).await.unwrap().uses(), 1);
    assert_eq!(warm.engine.running_of(&spec("x")), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_been_used_up_is_thrown_away() {
    let warm = warm(WarmSettings {
        max_uses: 3,
        ..settings(0, 8)
    })
    .await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        let lease = warm.lease("a", "x").await;
        ids.push(id(&lease));
        lease.finish(Outcome::Success);
    }
    assert!(
        ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3],
        "{ids:?}"
    );
    idle().await;
    assert_eq!(warm.discarded(), [("used_up", 1)]);
    assert!(!warm.engine.running().contains(&ids[0]));
}

#[tokio::test(start_paused = true)]
async fn a_request_may_want_fewer_uses_than_the_hub_allows() {
    let warm = warm(settings(0, 8)).await;
    let once = || Requirement {
        max_uses: Some(1),
        ..wants("x")
    };
    warm.lease("a", "x").await.finish(Outcome::Success);
    let fresh = warm.ask("a", once()).await.unwrap();
    assert_eq!(fresh.uses(), 1, "not the one that was used before");
    fresh.finish(Outcome::Success);
    idle().await;
    assert_eq!(warm.engine.running().len(), 1);
    assert_eq!(warm.discarded(), [("used_up", 1)]);
}

#[tokio::test(start_paused = true)]
async fn only_a_success_makes_it_usable_again() {
    for outcome in [
        Outcome::Cancelled,
        Outcome::ClientError,
        Outcome::TimedOut,
        Outcome::ServerError,
        Outcome::StreamBroken,
        Outcome::ConnectFailed,
    ] {
        let warm = warm(settings(0, 8)).await;
        let lease = warm.lease("a", "x").await;
        let used = id(&lease);
        lease.finish(outcome);
        idle().await;
        assert_eq!(warm.engine.running().len(), 0, "{outcome:?}");
        assert_eq!(warm.discarded(), [("failed", 1)]);
        assert!(!warm.fleet.ids().contains(&used));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_lease_throws_it_away() {
    let warm = warm(settings(0, 8)).await;
    drop(warm.lease("a", "x").await);
    idle().await;
    assert_eq!((warm.engine.present(), warm.total()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_kept_beyond_its_request_is_thrown_away_afterwards() {
    let warm = warm(settings(0, 1)).await;
    let hold = warm.lease("a", "x").await.hold();
    pass(1.0).await;
    assert_eq!((warm.engine.running().len(), warm.total()), (1, 1));
    drop(hold);
    idle().await;
    assert_eq!((warm.engine.present(), warm.total()), (0, 0));
    warm.lease("b", "x").await.finish(Outcome::Success);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_resets_does_so_between_two_uses() {
    let warm = warm_with(settings(0, 8), true).await;
    warm.engine
        .takes(|takes| takes.reset = std::time::Duration::from_millis(300));
    warm.lease("a", "x").await.finish(Outcome::Success);
    idle().await;
    assert_eq!(warm.engine.calls("reset"), 1);
    assert_eq!(warm.at_once("a", "x").unwrap_err(), Refusal::AllBusy);
    pass(0.3).await;
    assert_eq!(warm.at_once("a", "x").unwrap().uses(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_reset_is_thrown_away() {
    let warm = warm_with(settings(0, 8), true).await;
    warm.engine.resets_fail();
    warm.lease("a", "x").await.finish(Outcome::Success);
    idle().await;
    assert_eq!(warm.discarded(), [("not_reset", 1)]);
    assert_eq!(warm.engine.present(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_started_for_one_who_left_is_there_for_the_next() {
    let warm = warm(settings(1, 8)).await;
    let asked = warm.asks("a", wants("x"));
    pass(0.05).await;
    asked.abort();
    pass(0.2).await;
    assert_eq!(warm.engine.started(), 1);
    assert_eq!(warm.at_once("b", "x").unwrap().uses(), 1);
}

#[tokio::test(start_paused = true)]
async fn ordinary_requests_never_get_one() {
    let warm = warm(settings(1, 8)).await;
    warm.lease("a", "x").await.finish(Outcome::Success);
    idle().await;
    let refusal = warm.fleet.try_take(&Requirement::default()).unwrap_err();
    assert!(matches!(refusal, Refusal::NoneRoutable { .. }), "{refusal:?}");
    let by_id = crate::pool::testing::only("w1");
    assert!(warm.fleet.try_take(&by_id).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_starts_nothing_says_so() {
    let fleet = fleet(&["a"]).start().await;
    assert_eq!(fleet.try_take(&wants("x")).unwrap_err(), Refusal::StartsNothing);
    assert!(fleet.pool.warm_status().is_none());
    assert!(fleet.pool.warm(&wants("x")).is_err());
}
