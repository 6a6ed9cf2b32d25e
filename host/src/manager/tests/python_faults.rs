//! Each fault of the Python system's resource manager, shown not to be here.

use plugin_api::ErrorCode;
use plugin_api::contract::outcome::Outcome;
use serde_json::json;

use super::fixture::{Fleet, admin, fleet, hub, models_and_boxes, user};
use crate::pool::Followed;
use crate::pool::testing::{idle, pass, served};

/// There, two allocations got the same instance.
#[tokio::test(start_paused = true)]
async fn two_exclusive_allocations_never_share_an_instance() {
    let fleet = models_and_boxes().await;
    let wanted = json!([{ "kind": "llm-server", "exclusive": true }]);
    let (_, one) = Fleet::given(fleet.allocate(wanted.clone()).await);
    let (_, other) = Fleet::given(fleet.allocate(wanted.clone()).await);
    assert_ne!(one, other);
    assert!(fleet.allocate(wanted).await.is_err());
}

/// There, nothing limited allocations, and none ever ended by itself.
#[tokio::test(start_paused = true)]
async fn an_allocation_that_nobody_ends_ends_itself() {
    let fleet = models_and_boxes().await;
    Fleet::given(fleet.allocate(json!([{ "kind": "container" }])).await);
    assert!(
        fleet.allocate(json!([{ "kind": "container" }])).await.is_err(),
        "its capacity holds"
    );
    pass(301.0).await;
    Fleet::given(fleet.allocate(json!([{ "kind": "container" }])).await);
}

/// There, one requirement was inverted and another ignored without a word.
#[tokio::test(start_paused = true)]
async fn a_requirement_that_is_not_understood_is_refused() {
    let fleet = models_and_boxes().await;
    for unknown in ["min_memory", "min_cpu", "preferred_hub"] {
        let error = fleet
            .allocate(json!([{ "hub": "models", unknown: 1 }]))
            .await
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
        assert!(error.message.contains(unknown), "{error}");
    }
}

/// There, another id was released than the one allocated: every call leaked.
#[tokio::test(start_paused = true)]
async fn what_is_allocated_is_released_a_thousand_times() {
    let fleet = models_and_boxes().await;
    for _ in 0..1000 {
        let (id, _) = Fleet::given(
            fleet
                .allocate(json!([{ "kind": "container" }, { "hub": "models" }]))
                .await,
        );
        fleet
            .call(&user("alice"), "release", json!({ "allocation": id }))
            .await
            .unwrap();
    }
    let tally = fleet.manager.allocations().tally();
    assert_eq!((tally.active, tally.total, tally.released), (0, 1000, 1000));
    assert_eq!(fleet.in_flight(), 0);
}

/// There, instances that were started by one template shared its name and port.
#[tokio::test(start_paused = true)]
async fn no_two_are_started_by_one_specification() {
    let fleet = fleet([hub("models", "llm-server", 1, &[])
        .set(|settings| settings.start = vec![json!({ "id": "s1", "port": 1 })])
        .hub(|hub| {
            hub.manifest.start = Some(json!({ "required": ["id", "port"] }));
            hub.starts(["s1", "s2"].map(|id| Ok(served(id))));
        })])
    .await;
    let scale = async |params| fleet.call(&admin(), "scale", params).await;
    let error = scale(json!({ "hub": "models", "started": 2 })).await.unwrap_err();
    assert!(error.message.contains("knows how to start 1"), "{error}");
    let error = scale(json!({ "hub": "models", "started": 2, "start": [{ "id": "s2" }] }))
        .await
        .unwrap_err();
    assert!(error.message.contains("start.0: "), "{error}");
    let second = json!({ "id": "s2", "port": 2 });
    scale(json!({ "hub": "models", "started": 2, "start": [second] }))
        .await
        .unwrap();
    idle().await;
    assert_eq!(fleet.instance("s2")["routable"], true);
    assert_eq!(fleet.hubs[0].calls("start "), 2);
}

/// There, scaling down cut off whoever was at work.
#[tokio::test(start_paused = true)]
async fn scaling_down_stops_nobody_at_work() {
    let fleet = fleet([hub("models", "llm-server", 1, &[])
        .set(|settings| settings.start = vec![json!({ "id": "s1" }), json!({ "id": "s2" })])
        .hub(|hub| {
            hub.manifest.start = Some(json!({}));
            hub.starts(["s1", "s2"].map(|id| Ok(served(id))));
        })])
    .await;
    let (one, two) = (
        fleet.request("models", "s1").unwrap(),
        fleet.request("models", "s2").unwrap(),
    );
    let scaled = fleet
        .call(&admin(), "scale", json!({ "hub": "models", "started": 0 }))
        .await
        .unwrap();
    assert_eq!(
        scaled["started"],
        json!({ "started": 0, "starting": 0, "stopping": 2 })
    );
    pass(30.0).await;
    assert_eq!(fleet.hubs[0].calls("stop"), 0);
    one.finish(Outcome::Success);
    two.finish(Outcome::Success);
    idle().await;
    assert_eq!(fleet.hubs[0].calls("stop"), 2);
}

/// There, events were sent under the registry's lock: a handler that called back dead-locked.
#[tokio::test(start_paused = true)]
async fn a_follower_of_events_may_call_the_manager() {
    let fleet = models_and_boxes().await;
    let manager = fleet.manager.clone();
    let mut follower = manager.events().follow();
    let answering = tokio::spawn(async move {
        let mut released = 0;
        while released < 3 {
            let Followed::Event(event) = follower.next().await else {
                continue;
            };
            manager.totals();
            manager.status(admin().viewer());
            if event.kind == "allocation_created" {
                let params = json!({ "allocation": event.data["allocation"] }).to_string();
                manager
                    .manage("release", params.as_bytes(), &admin())
                    .await
                    .unwrap();
                released += 1;
            }
        }
    });
    for _ in 0..3 {
        Fleet::given(fleet.allocate(json!([{ "kind": "container" }])).await);
        idle().await;
    }
    let limit = std::time::Duration::from_secs(10);
    tokio::time::timeout(limit, answering)
        .await
        .expect("no dead lock")
        .unwrap();
    assert_eq!(fleet.in_flight(), 0);
}

/// There, percentiles were means of means.
#[tokio::test(start_paused = true)]
async fn a_total_percentile_is_one_of_all_requests() {
    let fleet = models_and_boxes().await;
    // Ninety-nine quick ones here, one slow one there: the mean of both hubs' medians would be five seconds.
    for _ in 0..99 {
        let lease = fleet.request("models", "gpu1").unwrap();
        pass(0.01).await;
        lease.finish(Outcome::Success);
    }
    let lease = fleet.request("boxes", "engine").unwrap();
    pass(10.0).await;
    lease.finish(Outcome::Success);
    let totals = fleet.manager.totals();
    let latency = &totals["requests"]["latency"];
    assert_eq!(latency["count"], 100);
    assert!(latency["p50_ms"].as_f64().unwrap() < 100.0, "{latency}");
}
