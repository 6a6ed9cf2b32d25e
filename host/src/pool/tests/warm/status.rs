//! What people see.

use plugin_api::contract::outcome::Outcome;
use serde_json::json;

use super::{settings, wants, warm, warm_with};
use crate::pool::Followed;
use crate::pool::testing::{idle, pass};

#[tokio::test(start_paused = true)]
async fn a_resource_is_an_instance_like_any_other() {
    let warm = warm(settings(0, 8)).await;
    let lease = warm.lease("a", "x").await;
    let status = warm.fleet.status("w1");
    let shelf = warm.shelf("x").unwrap();
    assert_eq!(status.warm.as_deref(), Some(shelf.specification.as_str()));
    assert_eq!(
        (status.in_flight, status.max_concurrent, status.routable),
        (1, Some(1), false)
    );
    assert_eq!(status.state.name(), "healthy");
    lease.finish(Outcome::Success);
    idle().await;
    assert!(warm.fleet.status("w1").routable);
    let counted = warm.fleet.pool.metrics().hub.counted.total.outcomes;
    assert!(
        counted
            .iter()
            .any(|(outcome, count)| (outcome, count) == ("success", 1))
    );
    pass(40.0).await;
    assert!(warm.fleet.hub.calls("probe w1") >= 1, "it is looked after");
}

#[tokio::test(start_paused = true)]
async fn a_shelf_tells_what_is_on_it_and_what_is_under_way() {
    let warm = warm_with(settings(1, 8), true).await;
    warm.engine
        .takes(|takes| takes.reset = std::time::Duration::from_secs(1));
    let asked = warm.asks("a", wants("x"));
    idle().await;
    let shelf = warm.shelf("x").unwrap();
    assert_eq!(
        (shelf.starting, shelf.waiting, shelf.idle, shelf.busy),
        (1, 1, 0, 0)
    );
    let lease = asked.await.unwrap().unwrap();
    let _kept = warm.keep("x");
    pass(0.2).await;
    let shelf = warm.shelf("x").unwrap();
    assert_eq!(
        (shelf.starting, shelf.waiting, shelf.idle, shelf.busy),
        (0, 0, 1, 1)
    );
    lease.finish(Outcome::Success);
    idle().await;
    assert_eq!(
        warm.shelf("x").unwrap().busy,
        1,
        "it is being made as good as new"
    );
    pass(1.0).await;
    let shelf = warm.shelf("x").unwrap();
    assert_eq!((shelf.idle, shelf.unused, shelf.busy), (2, 1, 0));
    let status = warm.fleet.pool.metrics().warm.unwrap();
    assert_eq!(
        (status.total, status.starts.count(), status.start_failures),
        (2, 2, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn followers_are_told_of_a_whole_life() {
    let mut warm = warm(settings(0, 8)).await;
    warm.lease("a", "x").await.finish(Outcome::ServerError);
    idle().await;
    assert_eq!(
        warm.fleet.happened("w1"),
        [
            "resource_started",
            "lease_granted",
            "lease_released",
            "resource_discarded",
            "status_changed stopping",
            "instance_unregistered",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_to_start_is_told_with_its_reason() {
    let mut warm = warm(settings(0, 8)).await;
    warm.engine
        .fails(&super::spec("x"), Some(plugin_api::Error::plugin("no engine")));
    warm.ask("a", wants("x")).await.unwrap_err();
    let mut told = Vec::new();
    while let Some(Followed::Event(event)) = warm.fleet.events.try_next() {
        if event.kind == "recovery_failed" {
            told.push(event.data.clone());
        }
    }
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0]["label"], &told[0]["reason"], &told[0]["retry_ms"]),
        (&json!("x"), &json!("no engine"), &json!(1000))
    );
}
