//! What could be better, and what is done about it.

use plugin_api::contract::outcome::Outcome;
use plugin_api::manifest::Verb;
use serde_json::{Value, json};

use super::fixture::{Fleet, HubPlan, admin, fleet, hub, user};
use crate::pool::testing::{idle, pass, served};

async fn findings(fleet: &Fleet, apply: bool) -> Vec<Value> {
    let found = fleet
        .call(&admin(), "optimise", json!({ "apply": apply }))
        .await
        .unwrap();
    assert_eq!(found["applied"], apply);
    found["findings"].as_array().unwrap().clone()
}

/// Somebody waits for any instance of the hub, for as long as the test lasts.
async fn somebody_waits(fleet: &Fleet, hub: &str) -> tokio::task::JoinHandle<()> {
    let pool = fleet.manager.hub(hub).unwrap().pool.clone();
    let waiting = tokio::spawn(async move {
        let asker = crate::pool::Asker { principal: "waits" };
        let lease = pool
            .acquire(&Default::default(), &asker, &crate::pool::Tried::NONE, None)
            .await;
        std::future::pending::<()>().await;
        drop(lease);
    });
    idle().await;
    waiting
}

fn startable() -> HubPlan {
    hub("models", "llm-server", 1, &[])
        .set(|settings| settings.start = vec![json!({ "id": "s1" }), json!({ "id": "s2" })])
        .hub(|hub| {
            hub.manifest.start = Some(json!({}));
            hub.starts(["s1", "s2", "s2"].map(|id| Ok(served(id))));
        })
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_is_well_leaves_nothing_to_say() {
    let fleet = fleet([hub("models", "llm-server", 1, &["gpu1", "gpu2"])]).await;
    assert_eq!(findings(&fleet, false).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_hot_hub_that_could_start_more_is_told_to_and_does_when_asked() {
    let fleet = fleet([startable()]).await;
    fleet
        .call(&admin(), "scale", json!({ "hub": "models", "started": 1 }))
        .await
        .unwrap();
    idle().await;
    let _busy = fleet.request("models", "s1").unwrap();
    let _waiting = somebody_waits(&fleet, "models").await;
    let found = findings(&fleet, false).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&found[0]["kind"], &found[0]["safe"]),
        (&json!("hot"), &json!(true))
    );
    assert!(
        found[0]["why"].as_str().unwrap().starts_with("1 requests wait"),
        "{}",
        found[0]
    );
    assert_eq!(
        fleet.manager.hub("models").unwrap().pool.started(),
        1,
        "it only says so"
    );
    let found = findings(&fleet, true).await;
    assert_eq!(found[0]["done"], "2 are kept started now");
    idle().await;
    assert_eq!(fleet.manager.hub("models").unwrap().pool.started(), 2);
    assert_eq!(
        findings(&fleet, false).await,
        Vec::<Value>::new(),
        "whoever waited was served"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hot_hub_that_has_nothing_to_start_is_advice_only() {
    let fleet = fleet([hub("models", "llm-server", 1, &["gpu1"])]).await;
    let _busy = fleet.request("models", "gpu1").unwrap();
    let _waiting = somebody_waits(&fleet, "models").await;
    let found = findings(&fleet, true).await;
    assert_eq!(found[0]["kind"], "hot");
    assert_eq!(
        (&found[0]["safe"], &found[0]["done"]),
        (&json!(false), &Value::Null)
    );
    assert!(found[0]["advice"].as_str().unwrap().contains("max_concurrent"));
}

#[tokio::test(start_paused = true)]
async fn a_model_in_memory_twice_is_found_while_others_wait() {
    let fleet = fleet([hub("models", "llm-server", 1, &["gpu1", "gpu2"]).hub(|hub| {
        let verb: Verb = serde_json::from_value(json!({ "description": "Unload" })).unwrap();
        hub.manifest.verbs.insert("unload".to_owned(), verb);
        hub.holds("gpu1", &["*small"]);
        hub.holds("gpu2", &["*small"]);
    })])
    .await;
    assert_eq!(findings(&fleet, false).await, Vec::<Value>::new(), "nobody waits");
    let pool = fleet.manager.hub("models").unwrap().pool.clone();
    let lease = fleet.request("models", "gpu1").unwrap();
    let waiting = tokio::spawn(async move {
        let only = plugin_api::contract::requirement::Requirement {
            instance: Some("gpu1".to_owned()),
            ..Default::default()
        };
        let asker = crate::pool::Asker { principal: "waits" };
        pool.acquire(&only, &asker, &crate::pool::Tried::NONE, None).await
    });
    idle().await;
    let found = findings(&fleet, false).await;
    assert_eq!(
        (&found[0]["kind"], &found[0]["instance"]),
        (&json!("twice_loaded"), &json!("gpu2"))
    );
    assert_eq!(
        found[0]["advice"],
        "`gleitzeit hub models unload small:latest --instance gpu2`"
    );
    drop(lease);
    waiting.await.unwrap().unwrap().finish(Outcome::Success);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_heal_is_found_and_asked_again() {
    let fleet = fleet([hub("models", "llm-server", 1, &["gpu1"])
        .set(|settings| settings.health.interval = std::time::Duration::from_secs(5))
        .hub(|hub| hub.fails("gpu1"))])
    .await;
    pass(3_000.0).await;
    let found = findings(&fleet, false).await;
    assert_eq!(
        (&found[0]["kind"], &found[0]["instance"]),
        (&json!("stuck"), &json!("gpu1"))
    );
    assert!(
        found[0]["why"].as_str().unwrap().contains("connection refused"),
        "{}",
        found[0]
    );
    fleet.hubs[0].well("gpu1");
    assert_eq!(findings(&fleet, true).await[0]["done"], "asked it how it is");
    pass(1.0).await;
    assert_eq!(
        fleet.instance("gpu1")["routable"],
        true,
        "long before its next probe"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_drained_and_forgotten_is_found() {
    let fleet = fleet([hub("models", "llm-server", 1, &["gpu1", "gpu2"])]).await;
    fleet.manager.drain(None, "gpu1").unwrap();
    let found = findings(&fleet, true).await;
    assert_eq!(
        (&found[0]["kind"], &found[0]["instance"]),
        (&json!("forgotten"), &json!("gpu1"))
    );
    assert_eq!(
        fleet.instance("gpu1")["state"],
        "draining",
        "somebody may have wanted it so"
    );
}

#[tokio::test(start_paused = true)]
async fn only_administrators_apply() {
    let fleet = fleet([hub("models", "llm-server", 1, &["gpu1"])]).await;
    let ask = async |apply: bool| {
        fleet
            .call(&user("alice"), "optimise", json!({ "apply": apply }))
            .await
    };
    assert!(ask(false).await.is_ok());
    assert_eq!(
        ask(true).await.unwrap_err().code,
        plugin_api::ErrorCode::FORBIDDEN
    );
    let unknown = fleet
        .call(&admin(), "optimise", json!({ "hub": "none" }))
        .await
        .unwrap_err();
    assert_eq!(unknown.code, plugin_api::ErrorCode::PROVIDER_NOT_FOUND);
}
