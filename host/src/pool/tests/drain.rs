//! Draining an instance and taking it back.

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;

use crate::pool::testing::{fleet, pass};
use crate::pool::{Refusal, State};

#[tokio::test(start_paused = true)]
async fn a_draining_instance_finishes_what_it_has_and_takes_nothing_new() {
    let mut fleet = fleet(&["a"]).start().await;
    let lease = fleet.take();
    fleet.pool.drain("a").unwrap();
    fleet.pool.drain("a").unwrap();
    let status = fleet.status("a");
    assert_eq!(
        (status.state, status.drained, status.routable),
        (State::Draining, false, false)
    );
    assert!(matches!(
        fleet.try_take(&Requirement::default()),
        Err(Refusal::NoneRoutable { .. })
    ));
    pass(100.0).await;
    lease.finish(Outcome::Success);
    assert!(fleet.status("a").drained);
    assert_eq!(
        fleet.happened("a"),
        [
            "status_changed healthy",
            "status_changed draining",
            "instance_drained"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_resumed_instance_is_used_again() {
    let mut fleet = fleet(&["a"]).start().await;
    fleet.pool.drain("a").unwrap();
    fleet.pool.resume("a").unwrap();
    fleet.pool.resume("a").unwrap();
    assert_eq!(fleet.take().instance().id, "a");
    let happened = fleet.happened("a");
    assert_eq!(happened[2..], ["instance_drained", "status_changed healthy"]);
}

#[tokio::test(start_paused = true)]
async fn draining_somebody_unknown_names_those_there_are() {
    let fleet = fleet(&["a", "b"]).start().await;
    let error = fleet.pool.drain("c").unwrap_err();
    assert_eq!(error.message, "the hub `hub` has no instance `c`");
    assert_eq!(error.hint.as_deref(), Some("it has a, b"));
    assert!(fleet.pool.resume("c").is_err());
}

#[tokio::test(start_paused = true)]
async fn a_drained_instance_stays_drained_whatever_its_probes_say() {
    let fleet = fleet(&["a"]).start().await;
    fleet.pool.drain("a").unwrap();
    pass(120.0).await;
    assert_eq!(fleet.status("a").state, State::Draining);
}
