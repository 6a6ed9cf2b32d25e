//! What is loaded where, and how the engine keeps that true.

use std::collections::BTreeMap;
use std::time::Duration;

use plugin_api::contract::instance::Residency;
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::{Requirement, Strategy};

use crate::pool::testing::{Fleet, Plan, capability, fleet, idle, needs, pass};
use crate::pool::{Note, Refusal};

fn affine(ids: &[&str]) -> Plan {
    fleet(ids).set(|settings| settings.strategy = Strategy::ModelAffinity)
}

fn residency(fleet: &Fleet, id: &str) -> Residency {
    fleet.status(id).capabilities[0].residency
}

fn sized(model: &str, num_ctx: i64) -> Requirement {
    Requirement {
        prefer: BTreeMap::from([("num_ctx".to_owned(), num_ctx)]),
        ..needs(model)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_loaded_comes_before_what_is_stored() {
    let fleet = affine(&["stored", "loaded"])
        .hub(|hub| {
            hub.holds("stored", &["m"]);
            hub.holds("loaded", &["*m"]);
        })
        .start()
        .await;
    assert!((0..5).all(|_| fleet.try_take(&needs("m")).unwrap().instance().id == "loaded"));
}

#[tokio::test(start_paused = true)]
async fn loaded_as_wished_comes_before_loaded_otherwise() {
    let fleet = affine(&["small", "large"])
        .hub(|hub| {
            hub.holds("small", &["*m@4096"]);
            hub.holds("large", &["*m@32768"]);
        })
        .start()
        .await;
    for (size, id) in [(4096, "small"), (32768, "large")] {
        assert_eq!(fleet.try_take(&sized("m", size)).unwrap().instance().id, id);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_request_has_used_counts_as_loaded_at_once() {
    let fleet = affine(&["a", "b"])
        .hub(|hub| {
            hub.holds("a", &["m"]);
            hub.holds("b", &["m"]);
        })
        .start()
        .await;
    let lease = fleet.try_take(&sized("m", 4096)).unwrap();
    let id = lease.instance().id.clone();
    lease.finish(Outcome::Success);
    assert_eq!(residency(&fleet, &id), Residency::Loaded);
    assert_eq!(fleet.status(&id).capabilities[0].loaded_as["num_ctx"], 4096);
    assert!((0..5).all(|_| fleet.try_take(&needs("m")).unwrap().instance().id == id));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_began_before_a_success_does_not_undo_what_it_taught() {
    let fleet = fleet(&["a"])
        .set(|settings| settings.health.refresh = Duration::from_secs(2))
        .hub(|hub| {
            hub.holds("a", &["m"]);
            hub.refreshes("a", &["m"]);
            hub.hold_refreshes();
        })
        .start()
        .await;
    pass(3.0).await;
    assert_eq!(fleet.hub.calls("refresh a"), 1, "under way");
    fleet.try_take(&needs("m")).unwrap().finish(Outcome::Success);
    fleet.hub.refreshing.add_permits(1);
    idle().await;
    assert_eq!(
        residency(&fleet, "a"),
        Residency::Loaded,
        "the refresh looked before that"
    );
    fleet.hub.refreshing.add_permits(1);
    pass(3.0).await;
    assert_eq!(
        residency(&fleet, "a"),
        Residency::Stored,
        "this one looked after it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refresh_keeps_residency_true_between_probes() {
    let fleet = affine(&["a", "b"])
        .set(|settings| settings.health.refresh = Duration::from_secs(2))
        .hub(|hub| {
            hub.holds("a", &["m"]);
            hub.holds("b", &["m"]);
        })
        .start()
        .await;
    fleet.hub.refreshes("b", &["*m"]);
    pass(2.5).await;
    assert_eq!(fleet.try_take(&needs("m")).unwrap().instance().id, "b");
}

#[tokio::test(start_paused = true)]
async fn a_missing_model_is_forgotten_until_the_next_probe() {
    let fleet = fleet(&["a"]).hub(|hub| hub.holds("a", &["m"])).start().await;
    fleet
        .try_take(&needs("m"))
        .unwrap()
        .finish(Outcome::CapabilityMissing);
    assert!(matches!(
        fleet.try_take(&needs("m")),
        Err(Refusal::Unknown { .. })
    ));
    pass(40.0).await;
    assert!(fleet.try_take(&needs("m")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_verb_tells_what_it_changed() {
    let fleet = fleet(&["a"]).start().await;
    fleet
        .pool
        .note_capability("a", "m", Note::Present(capability("m")));
    assert!(fleet.try_take(&needs("m")).is_ok());
    fleet
        .pool
        .note_capability("a", "M:latest", Note::Loaded(BTreeMap::new()));
    assert_eq!(residency(&fleet, "a"), Residency::Loaded);
    fleet.pool.note_capability("a", "m", Note::Unloaded);
    assert_eq!(residency(&fleet, "a"), Residency::Stored);
    fleet.pool.note_capability("a", "m", Note::Gone);
    fleet.pool.note_capability("nobody", "m", Note::Gone);
    assert!(matches!(
        fleet.try_take(&needs("m")),
        Err(Refusal::Unknown { .. })
    ));
}
