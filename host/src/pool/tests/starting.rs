//! Resources that the hub itself runs.

use std::time::Duration;

use plugin_api::Error;
use plugin_api::contract::instance::{Origin, ResourceInstance};
use serde_json::json;

use crate::pool::State;
use crate::pool::testing::{Plan, fleet, idle, pass, served};

fn starting(ids: &[&str]) -> Plan {
    fleet(ids).set(|settings| {
        settings.start = vec![json!({ "id": "s" })];
        settings.health.interval = Duration::from_secs(5);
    })
}

fn running() -> Result<ResourceInstance, Error> {
    Ok(served("s"))
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_started_is_started_and_used() {
    let fleet = starting(&[]).hub(|hub| hub.starts([running()])).start().await;
    let status = fleet.status("s");
    assert_eq!(
        (status.state, status.origin, status.routable),
        (State::Healthy, Origin::Started, true)
    );
    assert_eq!(fleet.hub.calls("start "), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_shown_and_tried_again_ever_more_slowly() {
    let mut fleet = starting(&[]).start().await;
    let status = fleet.status("s");
    assert_eq!(status.state, State::Failed);
    assert_eq!(
        status.reason.as_deref(),
        Some("failed: no more to start; next attempt in about 1 s")
    );
    pass(120.0).await;
    let attempts = fleet.hub.calls("start ");
    assert!((6..=9).contains(&attempts), "{attempts} attempts in two minutes");
    assert!(fleet.happened("s").contains(&"recovery_failed".to_owned()));
    fleet.hub.starts([running()]);
    pass(70.0).await;
    assert_eq!(fleet.status("s").state, State::Healthy);
    assert!(fleet.happened("s").contains(&"instance_recovered".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_was_started_and_dies_is_stopped_and_started_again() {
    let mut fleet = starting(&[])
        .hub(|hub| hub.starts([running(), running()]))
        .start()
        .await;
    fleet.hub.fails("s");
    pass(16.0).await;
    fleet.hub.well("s");
    pass(20.0).await;
    let log: Vec<_> = fleet
        .hub
        .log()
        .into_iter()
        .filter(|call| call.starts_with("st"))
        .collect();
    assert_eq!(log, [r#"start {"id":"s"}"#, "stop s", r#"start {"id":"s"}"#]);
    assert_eq!(fleet.status("s").state, State::Healthy);
    assert!(fleet.happened("s").contains(&"instance_recovered".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_started_under_another_name_takes_the_place_of_its_stand_in() {
    let fleet = starting(&[])
        .hub(|hub| hub.starts([Ok(served("container-1"))]))
        .start()
        .await;
    assert_eq!(fleet.ids(), ["container-1"]);
    assert_eq!(fleet.take().instance().id, "container-1");
}

#[tokio::test(start_paused = true)]
async fn only_what_the_hub_started_is_restarted() {
    let fleet = fleet(&["mine"])
        .set(|settings| settings.health.interval = Duration::from_secs(5))
        .hub(|hub| {
            hub.discovers(&["found"]);
            hub.fails("mine");
            hub.fails("found");
        })
        .start()
        .await;
    pass(1_000.0).await;
    assert_eq!(fleet.hub.calls("start") + fleet.hub.calls("stop"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_is_slowed_down() {
    let fleet = starting(&[])
        .hub(|hub| {
            hub.starts(std::iter::repeat_with(running).take(100));
            hub.fails("s");
        })
        .start()
        .await;
    pass(600.0).await;
    let starts = fleet.hub.calls("start ");
    assert!((6..=14).contains(&starts), "{starts} starts in ten minutes");
    idle().await;
}
