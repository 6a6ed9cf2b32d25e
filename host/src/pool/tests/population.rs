//! How instances come and go.

use plugin_api::contract::instance::Origin;
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;
use plugin_api::{Error, ErrorCode};

use crate::pool::State;
use crate::pool::testing::{fleet, idle, needs, pass};

#[tokio::test(start_paused = true)]
async fn what_is_discovered_is_used_and_what_vanishes_is_drained_and_removed() {
    let mut fleet = fleet(&["a"]).hub(|hub| hub.discovers(&["x", "y"])).start().await;
    assert_eq!(fleet.ids(), ["a", "x", "y"]);
    assert_eq!(fleet.status("x").origin, Origin::Discovered);
    let held = fleet.take_from("x");
    fleet.hub.discovers(&["y"]);
    pass(70.0).await;
    assert_eq!(fleet.status("x").state, State::Draining, "it is still in use");
    held.finish(Outcome::Success);
    idle().await;
    assert_eq!(fleet.ids(), ["a", "y"]);
    assert_eq!(
        fleet.happened("x"),
        [
            "status_changed healthy",
            "status_changed draining",
            "instance_drained",
            "instance_unregistered"
        ]
    );
    let total = fleet
        .pool
        .metrics()
        .hub
        .counted
        .total
        .outcomes
        .of(Outcome::Success);
    assert_eq!(total, 1, "the hub's totals never fall");
}

#[tokio::test(start_paused = true)]
async fn what_is_found_again_while_it_drains_stays() {
    let fleet = fleet(&[]).hub(|hub| hub.discovers(&["x"])).start().await;
    let held = fleet.take_from("x");
    fleet.hub.discovers(&[]);
    pass(70.0).await;
    fleet.hub.discovers(&["x"]);
    pass(70.0).await;
    drop(held);
    idle().await;
    assert_eq!(fleet.status("x").state, State::Healthy);
}

#[tokio::test(start_paused = true)]
async fn configured_instances_stay_whatever_happens() {
    let fleet = fleet(&["a"]).hub(|hub| hub.fails("a")).start().await;
    fleet.hub.discovery_fails();
    pass(10_000.0).await;
    assert_eq!(fleet.ids(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_discovery_that_fails_is_no_sign_of_absence() {
    let fleet = fleet(&[]).hub(|hub| hub.discovers(&["x"])).start().await;
    fleet.hub.discovery_fails();
    pass(200.0).await;
    assert_eq!(fleet.ids(), ["x"]);
    assert!(fleet.status("x").routable);
}

#[tokio::test(start_paused = true)]
async fn a_discovery_that_hangs_keeps_nobody_from_the_configured_instances() {
    let fleet = fleet(&["a"]).hub(|hub| hub.discovery_hangs()).start().await;
    assert_eq!(fleet.take().instance().id, "a");
    let unknown = fleet.wait("me", needs("m"));
    pass(20.0).await;
    assert!(!unknown.is_finished(), "it may yet be found");
    pass(20.0).await;
    assert!(unknown.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn the_operators_word_on_a_server_counts_for_more_than_discovery() {
    let fleet = fleet(&["gpu1"])
        .set(|settings| settings.instances[0].id = Some("big".into()))
        .hub(|hub| hub.discovers(&["gpu1", "gpu2"]))
        .start()
        .await;
    assert_eq!(fleet.ids(), ["big", "gpu2"]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_the_hub_refuses_is_shown_with_the_reason_and_stops_nobody() {
    let fleet = fleet(&["bad", "good"])
        .hub(|hub| {
            hub.refuses(
                "http://bad",
                Error::new(ErrorCode::CONFIGURATION, plugin_api::Fault::Client, "no key"),
            )
        })
        .start()
        .await;
    let status = fleet.status("bad");
    assert_eq!(
        (status.state, status.reason.as_deref()),
        (State::Failed, Some("failed: no key"))
    );
    assert_eq!(fleet.hub.calls("probe bad"), 0);
    assert_eq!(fleet.take().instance().id, "good");
}

#[tokio::test(start_paused = true)]
async fn a_hub_without_instances_says_so() {
    let fleet = fleet(&[]).start().await;
    let refusal = fleet.try_take(&needs("m")).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "no instance can serve this now: the hub has no instances"
    );
}

#[tokio::test(start_paused = true)]
async fn a_model_that_went_away_with_its_instance_is_not_unknown() {
    let fleet = fleet(&["a"])
        .hub(|hub| {
            hub.discovers(&["x"]);
            hub.holds("x", &["m"]);
        })
        .start()
        .await;
    fleet.hub.discovers(&[]);
    pass(70.0).await;
    assert_eq!(fleet.ids(), ["a"]);
    let error: Error = fleet.try_take(&needs("m")).unwrap_err().into();
    assert_eq!(error.http_status(), 503);
}

#[tokio::test(start_paused = true)]
async fn places_in_the_registry_are_used_again_without_mixing_instances_up() {
    let fleet = fleet(&["a"]).hub(|hub| hub.discovers(&["x"])).start().await;
    fleet.hub.holds("x", &["m"]);
    fleet.pool.probe_now("x");
    pass(1.0).await;
    let old = fleet.try_take(&needs("m")).unwrap().key();
    for round in 0..5 {
        fleet.hub.discovers(&[if round % 2 == 0 { "y" } else { "x" }]);
        pass(70.0).await;
    }
    assert_eq!(fleet.ids(), ["a", "y"]);
    assert!(fleet.try_take(&needs("m")).is_err(), "y never had it");
    assert_ne!(fleet.try_take(&Requirement::default()).unwrap().key(), old);
}
