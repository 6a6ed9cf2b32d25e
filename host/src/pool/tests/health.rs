//! Health checks.

use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::probe::Probe;
use plugin_api::contract::requirement::Requirement;
use plugin_api::{Error, ErrorCode, Fault};

use crate::pool::testing::{Fleet, Look, Plan, fleet, idle, pass};
use crate::pool::{Refusal, State};

fn watched(ids: &[&str]) -> Plan {
    fleet(ids).set(|settings| settings.health.interval = Duration::from_secs(10))
}

fn state(fleet: &Fleet, id: &str) -> State {
    fleet.status(id).state
}

#[tokio::test(start_paused = true)]
async fn every_instance_is_probed_at_once() {
    let fleet = watched(&["a", "b", "c"]).start().await;
    assert!(
        ["a", "b", "c"]
            .iter()
            .all(|id| state(&fleet, id) == State::Healthy)
    );
}

#[tokio::test(start_paused = true)]
async fn two_failures_degrade_three_take_it_out_one_success_brings_it_back() {
    let mut fleet = watched(&["a"]).start().await;
    fleet.hub.fails("a");
    pass(11.5).await;
    assert_eq!(state(&fleet, "a"), State::Healthy);
    pass(11.0).await;
    assert_eq!(state(&fleet, "a"), State::Degraded);
    assert!(fleet.status("a").routable, "degraded is used");
    pass(11.0).await;
    assert_eq!(state(&fleet, "a"), State::Unhealthy);
    assert_eq!(
        fleet.status("a").reason.as_deref(),
        Some("unhealthy: connection refused")
    );
    fleet.hub.well("a");
    pass(60.0).await;
    assert_eq!(state(&fleet, "a"), State::Healthy);
    let happened = fleet.happened("a");
    let expected = ["healthy", "degraded", "unhealthy", "healthy"].map(|new| format!("status_changed {new}"));
    assert_eq!(happened, expected);
}

#[tokio::test(start_paused = true)]
async fn one_that_refuses_a_refresh_is_probed_at_once() {
    let fleet = watched(&["a"])
        .set(|settings| {
            settings.health.interval = Duration::from_secs(30);
            settings.health.refresh = Duration::from_secs(2);
        })
        .start()
        .await;
    fleet.hub.fails("a");
    pass(8.0).await;
    assert_eq!(state(&fleet, "a"), State::Unhealthy);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_otherwise_says_nothing() {
    let fleet = watched(&["a"])
        .set(|settings| {
            settings.health.interval = Duration::from_secs(30);
            settings.health.refresh = Duration::from_secs(2);
        })
        .start()
        .await;
    let probes = fleet.hub.calls("probe a");
    let nonsense = Error::instance(ErrorCode::UPSTREAM_ERROR, "nonsense");
    fleet.hub.look("a", Look::Fails(nonsense));
    pass(8.0).await;
    assert_eq!(fleet.hub.calls("probe a"), probes);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_or_panics_counts_as_failed() {
    let fleet = watched(&["hangs", "panics"]).start().await;
    fleet.hub.look("hangs", Look::Hangs);
    fleet.hub.look("panics", Look::Panics);
    pass(60.0).await;
    assert_eq!(
        fleet.status("hangs").reason.as_deref(),
        Some("unhealthy: the probe did not end within 5000 ms")
    );
    assert_eq!(
        fleet.status("panics").reason.as_deref(),
        Some("unhealthy: the probe panicked: the probe of panics panics")
    );
}

#[tokio::test(start_paused = true)]
async fn an_instance_too_busy_for_its_probe_is_degraded_not_dead() {
    let fleet = watched(&["a"]).start().await;
    fleet.hub.look("a", Look::Hangs);
    for _ in 0..60 {
        fleet.send("a", &[Outcome::Success]);
        pass(1.0).await;
    }
    let status = fleet.status("a");
    assert_eq!(status.state, State::Degraded);
    assert_eq!(
        status.reason.as_deref(),
        Some("it answers requests, but did not answer a probe within 5000 ms")
    );
    pass(60.0).await;
    assert_eq!(
        state(&fleet, "a"),
        State::Unhealthy,
        "without requests there is nothing to say it lives"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hanging_instance_is_found_out_sooner_when_requests_hang_too() {
    let fleet = fleet(&["asked", "idle"]).start().await;
    for id in ["asked", "idle"] {
        fleet.hub.look(id, Look::Hangs);
    }
    let lease = fleet.take_from("asked");
    pass(2.0).await;
    lease.finish(Outcome::TimedOut);
    pass(1.0).await;
    assert_eq!(fleet.hub.calls("probe asked"), 2, "at once");
    assert_eq!(fleet.hub.calls("probe idle"), 1, "after half a minute");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_hangs_delays_the_probe_of_no_other() {
    let fleet = watched(&["hangs", "well"])
        .hub(|hub| hub.look("hangs", Look::Hangs))
        .start()
        .await;
    assert_eq!(state(&fleet, "well"), State::Healthy);
    let before = fleet.hub.calls("probe well");
    pass(60.0).await;
    assert!(fleet.hub.calls("probe well") >= before + 5);
}

#[tokio::test(start_paused = true)]
async fn the_dead_are_probed_ever_more_rarely() {
    let fleet = watched(&["dead"]).hub(|hub| hub.fails("dead")).start().await;
    pass(600.0).await;
    let probes = fleet.hub.calls("probe dead");
    assert!(
        (7..=12).contains(&probes),
        "{probes} probes in ten minutes; sixty without back-off"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_connection_brings_the_next_probe_forward_but_no_storm_of_them() {
    let fleet = fleet(&["a"]).start().await;
    fleet.hub.fails("a");
    for _ in 0..100 {
        if let Ok(lease) = fleet.try_take(&Requirement::default()) {
            lease.finish(Outcome::ConnectFailed);
        }
        pass(0.02).await;
    }
    let probes = fleet.hub.calls("probe a");
    assert!((2..=6).contains(&probes), "{probes} probes in two seconds");
}

#[tokio::test(start_paused = true)]
async fn degraded_instances_are_used_after_healthy_ones() {
    let fleet = watched(&["weak", "well"])
        .limit(1)
        .hub(|hub| {
            hub.look(
                "weak",
                Look::Well(Probe {
                    degraded: Some("hot".into()),
                    ..Probe::default()
                }),
            )
        })
        .start()
        .await;
    let first = fleet.take();
    assert_eq!(first.instance().id, "well");
    assert_eq!(fleet.take().instance().id, "weak");
    assert_eq!(fleet.status("weak").reason.as_deref(), Some("hot"));
}

#[tokio::test(start_paused = true)]
async fn probes_never_touch_the_count_of_requests_in_flight() {
    let fleet = watched(&["a"]).start().await;
    let _held = [fleet.take(), fleet.take()];
    fleet.hub.fails("a");
    pass(300.0).await;
    fleet.hub.well("a");
    pass(300.0).await;
    assert_eq!(fleet.in_flight(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pool_starts_with_every_instance_dead_and_says_why() {
    let fleet = watched(&["a", "b"])
        .hub(|hub| {
            hub.fails("a");
            hub.look("b", Look::Hangs);
        })
        .start()
        .await;
    pass(60.0).await;
    let refusal = fleet.try_take(&Requirement::default()).unwrap_err();
    let Refusal::NoneRoutable { reasons, .. } = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(
        reasons,
        [
            "a: unhealthy: connection refused",
            "b: unhealthy: the probe did not end within 5000 ms"
        ]
    );
    fleet.hub.well("a");
    pass(130.0).await;
    assert_eq!(fleet.take().instance().id, "a");
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_take_an_instance_out_until_a_probe_succeeds() {
    let fleet = watched(&["a"]).start().await;
    fleet.take().finish(Outcome::Misconfigured);
    let status = fleet.status("a");
    assert_eq!((status.routable, status.state), (false, State::Unhealthy));
    assert_eq!(
        status.reason.as_deref(),
        Some("unhealthy: it refuses our credentials (401 or 403)")
    );
    pass(15.0).await;
    assert!(fleet.status("a").routable, "the probe succeeded");

    let forbidden = Error::new(ErrorCode::UNAUTHENTICATED, Fault::Instance, "401: bad key");
    fleet.hub.look("a", Look::Fails(forbidden));
    pass(15.0).await;
    assert!(!fleet.status("a").routable, "one such answer is enough");
}

#[tokio::test(start_paused = true)]
async fn a_probe_can_be_asked_for() {
    let fleet = fleet(&["a"]).start().await;
    fleet.hub.holds("a", &["m"]);
    pass(1.0).await;
    fleet.pool.probe_now("a");
    fleet.pool.probe_now("nobody");
    idle().await;
    assert_eq!(fleet.status("a").capabilities[0].name, "m");
}
