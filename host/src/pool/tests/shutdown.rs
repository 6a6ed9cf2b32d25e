//! The end of a pool.

use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;
use serde_json::json;
use tokio::time::Instant;

use crate::pool::testing::{fleet, idle, pass, served};
use crate::pool::{Followed, Refusal};

fn in_ten_seconds() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_ends_then_what_the_hub_started_is_stopped() {
    let fleet = fleet(&["a"])
        .set(|settings| settings.start = vec![json!({ "id": "s" })])
        .hub(|hub| hub.starts([Ok(served("s"))]))
        .start()
        .await;
    let lease = fleet.take_from("s");
    let stopping = tokio::spawn({
        let pool = fleet.pool.clone();
        async move { pool.shutdown(in_ten_seconds()).await }
    });
    pass(3.0).await;
    assert_eq!(fleet.hub.calls("stop"), 0, "still in use");
    assert_eq!(
        fleet.try_take(&Requirement::default()).unwrap_err(),
        Refusal::Closed
    );
    lease.finish(Outcome::Success);
    stopping.await.unwrap();
    assert_eq!(
        fleet
            .hub
            .log()
            .iter()
            .filter(|call| call.starts_with("stop"))
            .count(),
        1
    );
    assert!(fleet.ids().is_empty());
    assert_eq!(fleet.hub.calls("stop a"), 0, "not ours to stop");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_does_not_end_is_told_and_not_waited_for() {
    let fleet = fleet(&["a"]).start().await;
    let lease = fleet.take();
    let begun = Instant::now();
    fleet.pool.shutdown(in_ten_seconds()).await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    tokio::time::timeout(Duration::from_secs(1), lease.lost())
        .await
        .expect("it is told");
    drop(lease);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_refused() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let held = fleet.take();
    let waiter = fleet.wait("me", Requirement::default());
    idle().await;
    let pool = fleet.pool.clone();
    let stopping = tokio::spawn(async move { pool.shutdown(in_ten_seconds()).await });
    idle().await;
    assert_eq!(waiter.await.unwrap().unwrap_err(), Refusal::Closed);
    drop(held);
    stopping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_on_afterwards() {
    let mut fleet = fleet(&["a"])
        .set(|settings| settings.health.refresh = Duration::from_secs(1))
        .start()
        .await;
    fleet.pool.shutdown(in_ten_seconds()).await;
    fleet.pool.shutdown(in_ten_seconds()).await;
    let before = fleet.hub.log().len();
    pass(1_000.0).await;
    assert_eq!(fleet.hub.log().len(), before);
    let mut stops = 0;
    while let Some(Followed::Event(event)) = fleet.events.try_next() {
        stops += usize::from(event.kind == "hub_stopped");
    }
    assert_eq!(stops, 1);
}
