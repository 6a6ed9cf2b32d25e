//! Instances kept beyond one request, and kept for oneself.

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;

use crate::pool::testing::{fleet, idle, only, pass};
use crate::pool::{Refusal, Reserver, State};

fn by(principal: &str) -> Reserver {
    Reserver {
        principal: principal.into(),
        words: format!("`{principal}`").into(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_takes_a_place_and_leaves_no_trace() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let hold = fleet.take().hold();
    let status = fleet.status("a");
    assert_eq!(
        (status.in_flight, status.allocated, status.routable),
        (1, 1, false)
    );
    assert_eq!(
        fleet.try_take(&Requirement::default()).unwrap_err(),
        Refusal::AllBusy
    );
    pass(500.0).await;
    drop(hold);
    let status = fleet.status("a");
    assert_eq!(
        (status.in_flight, status.allocated, status.routable),
        (0, 0, true)
    );
    assert_eq!(status.metrics.latency.count(), 0);
    assert_eq!(status.metrics.outcomes.iter().map(|(_, n)| n).sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_held_instance_gets_it_when_it_is_let_go() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let hold = fleet.take().hold();
    let waiter = fleet.wait("other", Requirement::default());
    pass(5.0).await;
    assert!(!waiter.is_finished());
    drop(hold);
    assert_eq!(waiter.await.unwrap().unwrap().instance().id, "a");
}

#[tokio::test(start_paused = true)]
async fn a_reserved_instance_finishes_what_it_has_and_takes_nothing_new() {
    let fleet = fleet(&["a", "b"]).start().await;
    let busy = fleet.take_from("a");
    let mine = fleet.take_from("a");
    let reservation = mine.reserve(by("me")).unwrap();
    assert!(!reservation.is_sole());
    for _ in 0..10 {
        assert_eq!(fleet.take().instance().id, "b", "others go elsewhere");
    }
    let status = fleet.status("a");
    assert_eq!(
        (status.routable, status.state, status.reason.as_deref()),
        (false, State::Healthy, Some("allocated exclusively"))
    );
    let told_to = |who: &str| status.clone().told_to(|owner| owner == who).reason.unwrap();
    assert_eq!(told_to("me"), "allocated exclusively by `me`");
    assert_eq!(told_to("other"), "allocated exclusively");
    let waiting = tokio::spawn(async move {
        reservation.sole().await;
        reservation
    });
    pass(5.0).await;
    assert!(!waiting.is_finished());
    busy.finish(Outcome::Success);
    let reservation = waiting.await.unwrap();
    assert!(reservation.is_sole());
    assert_eq!(fleet.status("a").in_flight, 1);
}

#[tokio::test(start_paused = true)]
async fn who_wants_a_reserved_instance_waits_for_it() {
    let fleet = fleet(&["a"]).start().await;
    let mine = fleet.take();
    let reservation = mine.reserve(by("me")).unwrap();
    let hold = mine.hold();
    let waiter = fleet.wait("other", only("a"));
    pass(5.0).await;
    assert!(!waiter.is_finished());
    drop(hold);
    idle().await;
    assert!(!waiter.is_finished(), "it is still reserved");
    drop(reservation);
    assert!(waiter.await.unwrap().is_ok());
    assert_eq!(fleet.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_instance_is_reserved_once() {
    let fleet = fleet(&["a"]).start().await;
    let (one, other) = (fleet.take(), fleet.take());
    let reservation = one.reserve(by("one")).unwrap();
    assert!(other.reserve(by("other")).is_none());
    drop(reservation);
    assert!(other.reserve(by("other")).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_hold_does_not_keep_a_breaker_half_open() {
    let fleet = fleet(&["a"])
        .set(|settings| {
            settings.breaker.half_open_requests = 1;
            settings.breaker.success_threshold = 1;
        })
        .start()
        .await;
    fleet.send("a", &[Outcome::ServerError; 5]);
    pass(120.0).await;
    let _hold = fleet.take().hold();
    fleet.take().finish(Outcome::Success);
    assert!(
        fleet.status("a").routable,
        "the trial was given back, and another closed it"
    );
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_an_instance_is_told() {
    let fleet = fleet(&["a"])
        .set(|settings| settings.health.interval = std::time::Duration::from_secs(5))
        .start()
        .await;
    let lease = fleet.take();
    let watch = lease.loss_watch();
    let _hold = lease.hold();
    fleet.hub.fails("a");
    tokio::time::timeout(std::time::Duration::from_secs(60), watch.lost())
        .await
        .expect("it is told");
    assert!(
        watch.reason().contains("connection refused"),
        "{}",
        watch.reason()
    );
}

#[tokio::test(start_paused = true)]
async fn a_drained_instance_that_is_held_is_drained_when_it_is_let_go() {
    let mut fleet = fleet(&["a"]).start().await;
    let hold = fleet.take().hold();
    fleet.pool.drain("a").unwrap();
    assert!(!fleet.status("a").drained);
    drop(hold);
    assert!(fleet.status("a").drained);
    assert!(fleet.happened("a").contains(&"instance_drained".to_owned()));
}
