//! Warm pools, as far as the manager has to do with them.

use std::time::Duration;

use plugin_api::ErrorCode;
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;
use serde_json::{Value, json};

use super::fixture::{Fleet, HubPlan, admin, fleet, hub};
use crate::pool::testing::{Engine, pass};
use crate::pool::{Asker, Tried};

/// Boxes that are started on demand, each in a tenth of a second, and models.
fn boxes(engine: &Engine, min_idle: u32, max: u32) -> HubPlan {
    engine.takes(|takes| takes.start = Duration::from_millis(100));
    let engine = engine.clone();
    hub("boxes", "container", 1, &[])
        .set(|settings| {
            settings.warm.min_idle = min_idle;
            settings.warm.max = max;
        })
        .hub(|hub| {
            hub.manifest.start = Some(json!({ "type": "object" }));
            hub.engine = Some(engine);
        })
}

fn wanted() -> Value {
    json!([{ "kind": "llm-server" }, { "kind": "container", "specification": { "image": "x" } }])
}

async fn both(fleet: &Fleet, resources: Value, timeout: u32) -> Result<Value, plugin_api::Error> {
    let params = json!({ "resources": resources, "timeout": timeout });
    fleet.call(&admin(), "allocate", params).await
}

#[tokio::test(start_paused = true)]
async fn a_model_and_a_container_that_has_yet_to_be_started() {
    let engine = Engine::default();
    let fleet = fleet([hub("models", "llm-server", 1, &["gpu1"]), boxes(&engine, 0, 2)]).await;
    let given = both(&fleet, wanted(), 30).await.unwrap();
    let resource = &given["resources"][1];
    assert_eq!(
        (&resource["exclusive"], &resource["uses"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(engine.present(), 1);
    // Given back it is used again, by the same principal.
    let id = &given["allocation"];
    fleet
        .call(&admin(), "release", json!({ "allocation": id }))
        .await
        .unwrap();
    let again = both(&fleet, wanted(), 0).await.unwrap();
    assert_eq!(again["resources"][1]["instance"], resource["instance"]);
    // Thrown away it is not.
    let params = json!({ "allocation": again["allocation"], "discard": true });
    fleet.call(&admin(), "release", params).await.unwrap();
    pass(1.0).await;
    let third = both(&fleet, wanted(), 30).await.unwrap();
    assert_ne!(third["resources"][1]["instance"], resource["instance"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_to_be_had_together_leaves_the_started_one_as_good_as_new() {
    let engine = Engine::default();
    let fleet = fleet([hub("models", "llm-server", 1, &["gpu1"]), boxes(&engine, 0, 2)]).await;
    let busy = fleet.request("models", "gpu1").unwrap();
    let error = both(&fleet, wanted(), 3).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::RESOURCE_EXHAUSTED);
    drop(busy);
    assert_eq!(fleet.in_flight(), 0);
    let given = both(&fleet, wanted(), 30).await.unwrap();
    assert_eq!(given["resources"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_may_still_be_in_use_when_its_time_is_over_is_thrown_away() {
    let engine = Engine::default();
    let fleet = fleet([boxes(&engine, 0, 2)]).await;
    let wanted = json!([{ "kind": "container", "specification": { "image": "x" } }]);
    let params = json!({ "resources": wanted, "ttl": 5 });
    fleet.call(&admin(), "allocate", params).await.unwrap();
    pass(6.0).await;
    assert_eq!(engine.present(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_bounds_of_a_warm_pool_are_scaled() {
    let engine = Engine::default();
    let mut fleet = fleet([boxes(&engine, 0, 2), hub("models", "llm-server", 1, &["gpu1"])]).await;
    let scale = async |params| fleet.call(&admin(), "scale", params).await;
    let scaled = scale(json!({ "hub": "boxes", "min_idle": 3, "max": 6 }))
        .await
        .unwrap();
    assert_eq!(scaled["warm"], json!({ "min_idle": 3, "max": 6 }));
    let bounds = fleet.manager.hub("boxes").unwrap().pool.warm_status().unwrap();
    assert_eq!((bounds.min_idle, bounds.max), (3, 6));
    let scaled = scale(json!({ "hub": "boxes", "max": 4 })).await.unwrap();
    assert_eq!(scaled["warm"], json!({ "min_idle": 3, "max": 4 }));
    for (params, part) in [
        (json!({ "hub": "boxes", "max": 2 }), "`min_idle` would be 3"),
        (json!({ "hub": "boxes", "max": 0 }), "max"),
        (json!({ "hub": "models", "max": 2 }), "does not start anything"),
        (json!({ "hub": "boxes" }), "nothing is to be scaled"),
    ] {
        let error = scale(params.clone()).await.unwrap_err();
        assert!(error.message.contains(part), "{params}: {error}");
    }
    assert_eq!(fleet.happened("hub_scaled").len(), 2);
}

/// So many requests for a warm resource, each by somebody else, so that each needs a new one.
async fn requests(fleet: &Fleet, count: usize, apart: f64) {
    let pool = fleet.manager.hub("boxes").unwrap().pool.clone();
    let requirement = Requirement {
        specification: Some(json!({ "image": "x" })),
        ..Requirement::default()
    };
    for number in 0..count {
        let principal = format!("user{number}");
        let asker = Asker {
            principal: &principal,
        };
        let lease = pool
            .acquire(&requirement, &asker, &Tried::NONE, None)
            .await
            .unwrap();
        lease.finish(Outcome::ServerError);
        pass(apart).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_makes_its_callers_wait_is_kept_warmer() {
    let engine = Engine::default();
    let fleet = fleet([boxes(&engine, 0, 4)]).await;
    requests(&fleet, 40, 0.0).await;
    let optimise = async |apply: bool| {
        let found = fleet
            .call(&admin(), "optimise", json!({ "apply": apply }))
            .await
            .unwrap();
        found["findings"][0].clone()
    };
    let found = optimise(false).await;
    assert_eq!(
        (&found["kind"], &found["safe"]),
        (&json!("cold"), &json!(true)),
        "{found}"
    );
    assert_eq!(optimise(true).await["done"], "1 of each kind are kept ready now");
    let bounds = fleet.manager.hub("boxes").unwrap().pool.warm_status().unwrap();
    assert_eq!((bounds.min_idle, bounds.max), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_keeps_more_ready_than_anybody_uses_is_shrunk() {
    let engine = Engine::default();
    let fleet = fleet([boxes(&engine, 3, 8)]).await;
    requests(&fleet, 2, 5.0).await;
    requests(&fleet, 240, 5.0).await;
    let found = fleet
        .call(&admin(), "optimise", json!({ "apply": true }))
        .await
        .unwrap();
    let found = &found["findings"][0];
    assert_eq!(
        (&found["kind"], &found["done"]),
        (&json!("idle"), &json!("2 of each kind are kept ready now"))
    );
}
