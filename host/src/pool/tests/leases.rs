//! Taking an instance and giving it back.

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::{Requirement, Strategy};

use crate::pool::testing::{ME, fleet, idle, needs, only, pass};
use crate::pool::{Refusal, Tried};

#[tokio::test(start_paused = true)]
async fn a_lease_counts_as_in_flight_until_it_is_dropped() {
    let fleet = fleet(&["a"]).start().await;
    let lease = fleet.take();
    assert_eq!((lease.instance().id.as_str(), fleet.in_flight()), ("a", 1));
    drop(lease);
    assert_eq!(fleet.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn finishing_a_lease_releases_it_once() {
    let fleet = fleet(&["a"]).start().await;
    let (one, other) = (fleet.take(), fleet.take());
    one.finish(Outcome::Success);
    assert_eq!(fleet.in_flight(), 1);
    drop(other);
    assert_eq!(fleet.in_flight(), 0);
    let outcomes = fleet.status("a").metrics.outcomes;
    assert_eq!(
        (outcomes.of(Outcome::Success), outcomes.of(Outcome::Cancelled)),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn no_instance_takes_more_than_its_limit() {
    let fleet = fleet(&["a", "b"]).limit(2).start().await;
    let held: Vec<_> = (0..4).map(|_| fleet.take()).collect();
    assert_eq!(
        fleet.try_take(&Requirement::default()).unwrap_err(),
        Refusal::AllBusy
    );
    for id in ["a", "b"] {
        assert_eq!(fleet.status(id).reason.as_deref(), Some("at capacity: 2 of 2"));
    }
    drop(held);
    assert!(fleet.try_take(&Requirement::default()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_lease_tells_registrations_apart() {
    let fleet = fleet(&["a", "b"]).start().await;
    let keys = ["a", "b", "a"].map(|id| fleet.take_from(id).key());
    assert_ne!(keys[0], keys[1]);
    assert_eq!(keys[0], keys[2]);
}

#[tokio::test(start_paused = true)]
async fn what_was_tried_is_avoided_while_others_remain() {
    let fleet = fleet(&["a", "b"]).start().await;
    let mut tried = Tried::NONE;
    tried.add(fleet.take_from("a").key());
    for _ in 0..5 {
        let lease = fleet
            .pool
            .try_acquire(&Requirement::default(), &ME, &tried)
            .unwrap();
        assert_eq!(lease.instance().id, "b");
    }
    fleet.pool.drain("b").unwrap();
    let lease = fleet
        .pool
        .try_acquire(&Requirement::default(), &ME, &tried)
        .unwrap();
    assert_eq!(lease.instance().id, "a", "better the one that failed than none");
}

#[tokio::test(start_paused = true)]
async fn tags_dialects_and_features_are_hard() {
    let fleet = fleet(&["a", "b"])
        .set(|settings| settings.instances[1].tags = ["gpu".to_owned()].into())
        .start()
        .await;
    let tagged = |tag: &str| Requirement {
        tags: [tag.to_owned()].into(),
        ..Requirement::default()
    };
    assert_eq!(fleet.try_take(&tagged("gpu")).unwrap().instance().id, "b");
    let unknown = Refusal::Unknown {
        what: "tags tpu".into(),
        capability: None,
    };
    assert_eq!(fleet.try_take(&tagged("tpu")).unwrap_err(), unknown);
    let spoken = Requirement {
        dialects: vec!["klingon".into()],
        ..Requirement::default()
    };
    assert!(matches!(fleet.try_take(&spoken), Err(Refusal::Unknown { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_named_instance_is_the_only_one_that_will_do() {
    let fleet = fleet(&["a", "b"]).start().await;
    for _ in 0..4 {
        assert_eq!(fleet.take_from("b").instance().id, "b");
    }
    assert!(matches!(fleet.try_take(&only("c")), Err(Refusal::Unknown { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_requirement_may_bring_its_own_strategy() {
    let fleet = fleet(&["a", "b", "c"]).start().await;
    let first = Requirement {
        strategy: Some(Strategy::FirstAvailable),
        ..Requirement::default()
    };
    let held: Vec<_> = (0..5).map(|_| fleet.try_take(&first).unwrap()).collect();
    assert!(held.iter().all(|lease| lease.instance().id == "a"));
}

#[tokio::test(start_paused = true)]
async fn the_limit_comes_from_the_operator_then_the_probe_then_the_default() {
    use plugin_api::contract::probe::Probe;

    use crate::pool::testing::Look;

    let fleet = fleet(&["said", "probed", "default"])
        .set(|settings| settings.instances[0].max_concurrent = Some(3))
        .limit(5)
        .hub(|hub| {
            for id in ["said", "probed"] {
                hub.look(
                    id,
                    Look::Well(Probe {
                        max_concurrent: Some(7),
                        ..Probe::default()
                    }),
                );
            }
        })
        .start()
        .await;
    let limits = ["said", "probed", "default"].map(|id| fleet.status(id).max_concurrent);
    assert_eq!(limits, [Some(3), Some(7), Some(5)]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_learns_that_its_instance_is_lost() {
    let fleet = fleet(&["a"])
        .set(|settings| settings.health.interval = std::time::Duration::from_secs(1))
        .start()
        .await;
    let lease = fleet.take();
    let lost = tokio::spawn(async move { lease.lost().await });
    fleet.hub.fails("a");
    pass(1.5).await;
    assert!(!lost.is_finished(), "one failed probe is not death");
    pass(20.0).await;
    assert!(lost.is_finished());
}

#[tokio::test(start_paused = true)]
async fn time_to_the_first_byte_is_recorded_once() {
    let fleet = fleet(&["a"]).start().await;
    let lease = fleet.take();
    pass(0.2).await;
    lease.first_byte();
    pass(5.0).await;
    lease.first_byte();
    lease.finish(Outcome::Success);
    let metrics = fleet.status("a").metrics;
    assert_eq!((metrics.first_byte.count(), metrics.latency.count()), (1, 1));
    assert!(metrics.first_byte.summary().max_ms < 300.0 && metrics.latency.summary().p50_ms > 5000.0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_capability_is_unknown_however_it_is_spelt() {
    let fleet = fleet(&["a"]).hub(|hub| hub.holds("a", &["Llama3"])).start().await;
    for spelling in ["llama3", "LLAMA3:latest", "library/llama3"] {
        assert!(fleet.try_take(&needs(spelling)).is_ok(), "{spelling}");
    }
    let refusal = fleet.try_take(&needs("llama4")).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::Unknown {
            what: "`llama4`".into(),
            capability: Some("llama4".into()),
        }
    );
    idle().await;
}
