//! Numbers over every hub.

use serde_json::json;

use super::fixture::{Fleet, models_and_boxes};
use crate::pool::testing::pass;

#[tokio::test(start_paused = true)]
async fn totals_are_those_of_every_hub_together() {
    let fleet = models_and_boxes().await;
    let (_, _) = Fleet::given(fleet.allocate(json!([{ "kind": "container" }])).await);
    let _request = fleet.request("models", "gpu1").unwrap();
    assert!(fleet.allocate(json!([{ "kind": "container" }])).await.is_err());
    let totals = fleet.manager.totals();
    assert_eq!(totals["hubs"]["total"], 2);
    assert_eq!(totals["instances"]["total"], 3);
    assert_eq!(totals["instances"]["routable"], 1);
    assert_eq!(
        totals["instances"]["by_kind"],
        json!({ "container": 1, "llm-server": 2 })
    );
    assert_eq!(totals["instances"]["by_state"]["healthy"], 3);
    assert_eq!(totals["in_flight"], 2);
    assert_eq!(totals["leases"], json!({ "requests": 1, "allocated": 1 }));
    assert_eq!(totals["queue_depth"], 0);
    let allocations = &totals["allocations"];
    assert_eq!(
        (&allocations["active"], &allocations["failed"]),
        (&json!(1), &json!(1))
    );
    let each = totals["hubs"]["each"].as_array().unwrap();
    assert_eq!(
        (&each[1]["name"], &each[1]["allocated"]),
        (&json!("boxes"), &json!(1))
    );
    assert_eq!(each[1]["metrics"]["in_flight"], 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_counted() {
    let fleet = models_and_boxes().await;
    let (_, _) = Fleet::given(fleet.allocate(json!([{ "kind": "container" }])).await);
    let pool = fleet.manager.hub("boxes").unwrap().pool.clone();
    let _waiting = tokio::spawn(async move {
        let asker = crate::pool::Asker { principal: "other" };
        pool.acquire(&Default::default(), &asker, &crate::pool::Tried::NONE, None)
            .await
    });
    pass(1.0).await;
    assert_eq!(fleet.manager.totals()["queue_depth"], 1);
}
