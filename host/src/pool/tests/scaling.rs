//! How many of a hub's resources are kept started.

use plugin_api::contract::outcome::Outcome;
use serde_json::json;

use crate::pool::testing::{Fleet, fleet, idle, pass, served};
use crate::pool::{Scaled, State};

/// Two specifications, and a hub that starts what it is told to: `s1`, `s2`, and so on in the order of the calls.
async fn two_started() -> Fleet {
    fleet(&[])
        .set(|settings| settings.start = vec![json!({ "id": "s1" }), json!({ "id": "s2" })])
        .hub(|hub| hub.starts(["s1", "s2"].map(|id| Ok(served(id)))))
        .start()
        .await
}

#[tokio::test(start_paused = true)]
async fn fewer_means_that_the_idle_are_stopped_first() {
    let fleet = two_started().await;
    let busy = fleet.take_from("s2");
    let scaled = fleet.pool.set_started(1, Vec::new()).unwrap();
    assert_eq!(
        scaled,
        Scaled {
            started: 1,
            starting: 0,
            stopping: 1
        }
    );
    idle().await;
    assert_eq!(fleet.ids(), ["s2"], "whoever is at work stays");
    assert_eq!(fleet.hub.calls("stop s1"), 1);
    busy.finish(Outcome::Success);
    assert_eq!(fleet.pool.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_at_work_finishes_before_it_is_stopped() {
    let fleet = two_started().await;
    let busy = [fleet.take_from("s1"), fleet.take_from("s2")];
    fleet.pool.set_started(0, Vec::new()).unwrap();
    pass(100.0).await;
    assert_eq!(fleet.status("s1").state, State::Draining);
    assert_eq!(
        fleet.status("s1").reason.as_deref(),
        Some("draining: fewer are to be kept started")
    );
    assert_eq!(fleet.hub.calls("stop"), 0);
    busy.into_iter().for_each(|lease| lease.finish(Outcome::Success));
    idle().await;
    assert!(fleet.ids().is_empty());
    assert_eq!(fleet.hub.calls("stop"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_stopped_can_be_started_again() {
    let fleet = two_started().await;
    fleet.pool.set_started(0, Vec::new()).unwrap();
    idle().await;
    fleet.hub.starts(["s1", "s2"].map(|id| Ok(served(id))));
    fleet.pool.set_started(2, Vec::new()).unwrap();
    idle().await;
    assert_eq!(fleet.ids(), ["s1", "s2"]);
    assert_eq!(fleet.hub.calls(r#"start {"id":"s1"}"#), 2);
}

#[tokio::test(start_paused = true)]
async fn more_needs_a_specification_for_each() {
    let fleet = two_started().await;
    let error = fleet.pool.set_started(3, Vec::new()).unwrap_err();
    assert_eq!(error.message, "`hub` knows how to start 2, and 3 are wanted");
    fleet.hub.starts([Ok(served("s3"))]);
    fleet.pool.set_started(3, vec![json!({ "id": "s3" })]).unwrap();
    idle().await;
    assert_eq!(fleet.ids(), ["s1", "s2", "s3"]);
    assert_eq!(fleet.pool.startable(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_started_is_given_up_too() {
    let fleet = fleet(&[])
        .set(|settings| settings.start = vec![json!({ "id": "s1" })])
        .start()
        .await;
    assert_eq!(fleet.status("s1").state, State::Failed);
    fleet.pool.set_started(0, Vec::new()).unwrap();
    idle().await;
    assert!(fleet.ids().is_empty());
    let attempts = fleet.hub.calls("start");
    pass(600.0).await;
    assert_eq!(fleet.hub.calls("start"), attempts);
}
