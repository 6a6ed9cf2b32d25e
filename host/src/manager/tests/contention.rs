//! Many who want the same things at once.

use serde_json::{Value, json};

use super::fixture::{Fleet, fleet, hub, trusted, user};
use crate::pool::testing::pass;

/// Allocates, keeps it for a moment, and gives it back.
async fn use_once(fleet: &Fleet, who: &str, resources: Value, ttl: f64) -> Result<(), plugin_api::Error> {
    let who = trusted(who);
    let params = json!({ "resources": resources, "timeout": 300, "ttl": 600 });
    let allocated = fleet.call(&who, "allocate", params).await?;
    pass(ttl).await;
    let id = &allocated["allocation"];
    fleet.call(&who, "release", json!({ "allocation": id })).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn two_that_want_the_same_two_in_opposite_order_both_get_them() {
    let fleet = fleet([hub("a", "a", 1, &["a1"]), hub("b", "b", 1, &["b1"])]).await;
    let one = json!([{ "hub": "a" }, { "hub": "b" }]);
    let other = json!([{ "hub": "b" }, { "hub": "a" }]);
    for _ in 0..20 {
        let (one, other) = tokio::join!(
            use_once(&fleet, "one", one.clone(), 0.05),
            use_once(&fleet, "other", other.clone(), 0.05)
        );
        one.unwrap();
        other.unwrap();
    }
    assert_eq!(fleet.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_ring_of_wishes_is_no_deadlock_shared_or_exclusive() {
    let names = ["a", "b", "c", "d", "e"];
    for exclusive in [false, true] {
        let limit = if exclusive { 8 } else { 1 };
        let fleet = fleet(names.map(|name| hub(name, name, limit, &["only"]))).await;
        let ring = (0..names.len()).map(|index| {
            let wanted = json!([
                { "hub": names[index], "exclusive": exclusive },
                { "hub": names[(index + 1) % names.len()], "exclusive": exclusive },
            ]);
            use_once(&fleet, names[index], wanted, 0.2)
        });
        let before = tokio::time::Instant::now();
        for outcome in futures_util::future::join_all(ring).await {
            outcome.unwrap();
        }
        assert!(before.elapsed().as_secs() < 60, "{:?}", before.elapsed());
        assert_eq!(fleet.in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn exclusive_ones_never_overlap() {
    let fleet = fleet([hub("models", "llm-server", 8, &["gpu1", "gpu2"])]).await;
    let users: Vec<String> = (0..12).map(|number| format!("user{number}")).collect();
    let held = std::sync::Mutex::new(std::collections::BTreeSet::new());
    let all = users.iter().map(async |name| {
        let who = trusted(name);
        let params = json!({ "resources": [{ "hub": "models", "exclusive": true }], "timeout": 300 });
        let (id, instances) = Fleet::given(fleet.call(&who, "allocate", params).await);
        assert!(
            held.lock().unwrap().insert(instances[0].clone()),
            "two have {}",
            instances[0]
        );
        pass(1.0).await;
        held.lock().unwrap().remove(&instances[0]);
        fleet
            .call(&who, "release", json!({ "allocation": id }))
            .await
            .unwrap();
    });
    futures_util::future::join_all(all).await;
    assert_eq!(fleet.in_flight(), 0);
    assert_eq!(fleet.manager.allocations().tally().released, 12);
}

#[tokio::test(start_paused = true)]
async fn ordinary_requests_wait_for_an_exclusive_one_to_end() {
    let fleet = fleet([hub("models", "llm-server", 8, &["gpu1"])]).await;
    let (id, _) = Fleet::given(
        fleet
            .allocate(json!([{ "hub": "models", "exclusive": true }]))
            .await,
    );
    let pool = fleet.manager.hub("models").unwrap().pool.clone();
    let waiting = tokio::spawn(async move {
        let asker = crate::pool::Asker { principal: "other" };
        pool.acquire(&Default::default(), &asker, &crate::pool::Tried::NONE, None)
            .await
    });
    pass(5.0).await;
    assert!(!waiting.is_finished(), "it is busy, which is no reason to refuse");
    fleet
        .call(&user("alice"), "release", json!({ "allocation": id }))
        .await
        .unwrap();
    assert!(waiting.await.unwrap().is_ok());
}
