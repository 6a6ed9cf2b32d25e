//! Circuit breakers, as the engine uses them.

use plugin_api::contract::breaker::BreakerState;
use plugin_api::contract::outcome::Outcome::{self, Cancelled, ClientError, ServerError, Success};
use plugin_api::contract::requirement::Requirement;

use crate::pool::Refusal;
use crate::pool::testing::{Fleet, fleet, idle, only, pass};

fn state(fleet: &Fleet) -> BreakerState {
    fleet.status("a").breaker.state
}

#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_open_it_and_status_says_for_how_long_and_why() {
    let mut fleet = fleet(&["a"]).start().await;
    fleet.send("a", &[ServerError, ServerError, ServerError, Success]);
    fleet.send("a", &[Outcome::ConnectFailed; 5]);
    let status = fleet.status("a");
    assert!(!status.routable);
    let reason = status.reason.unwrap();
    assert!(reason.starts_with("breaker open for 6"), "{reason}");
    assert!(
        reason.ends_with("s more after 5 failures: connection failed"),
        "{reason}"
    );
    assert!(fleet.happened("a").contains(&"circuit_opened".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_refused_with_when_to_come_back() {
    let fleet = fleet(&["a"]).start().await;
    fleet.send("a", &[ServerError; 5]);
    let refusal = fleet.try_take(&Requirement::default()).unwrap_err();
    let retry = refusal.retry_after().unwrap().as_secs();
    assert!((59..=67).contains(&retry), "{retry}");
    assert!(matches!(refusal, Refusal::NoneRoutable { .. }));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_instances_fault_does_not_open_it() {
    let fleet = fleet(&["a"]).start().await;
    for outcome in [ClientError, Cancelled, Outcome::CapabilityMissing] {
        fleet.send("a", &[outcome; 20]);
    }
    assert_eq!(state(&fleet), BreakerState::Closed);
    assert!(fleet.status("a").routable);
}

#[tokio::test(start_paused = true)]
async fn after_its_time_a_few_trials_pass_and_two_successes_close_it() {
    let mut fleet = fleet(&["a"]).start().await;
    fleet.send("a", &[ServerError; 5]);
    pass(70.0).await;
    assert!(fleet.status("a").routable, "its time is up");
    let mut trials: Vec<_> = (0..3).map(|_| fleet.take()).collect();
    assert_eq!(
        fleet.try_take(&Requirement::default()).unwrap_err(),
        Refusal::AllBusy
    );
    let reason = fleet.status("a").reason.unwrap();
    assert!(
        reason.starts_with("breaker half-open, 3 trial requests under way"),
        "{reason}"
    );
    trials.pop().unwrap().finish(Success);
    trials.pop().unwrap().finish(Success);
    assert_eq!(state(&fleet), BreakerState::Closed);
    let circuit: Vec<_> = fleet
        .happened("a")
        .into_iter()
        .filter(|kind| kind.starts_with("circuit"))
        .collect();
    assert_eq!(circuit, ["circuit_opened", "circuit_half_open", "circuit_closed"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_trial_makes_room_for_the_next() {
    let fleet = fleet(&["a"]).start().await;
    fleet.send("a", &[ServerError; 5]);
    pass(70.0).await;
    for _ in 0..50 {
        drop(fleet.take());
    }
    let held: Vec<_> = (0..3).map(|_| fleet.take()).collect();
    let waiter = fleet.wait("me", Requirement::default());
    idle().await;
    assert!(!waiter.is_finished());
    drop(held);
    idle().await;
    waiter.await.unwrap().unwrap().finish(Success);
    fleet.take().finish(Success);
    assert_eq!(state(&fleet), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_failed_trial_opens_it_for_longer() {
    let fleet = fleet(&["a"]).start().await;
    fleet.send("a", &[ServerError; 5]);
    pass(70.0).await;
    fleet.take().finish(ServerError);
    let retry = fleet
        .try_take(&only("a"))
        .unwrap_err()
        .retry_after()
        .unwrap()
        .as_secs();
    assert!((119..=133).contains(&retry), "{retry}");
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_soon_is_waited_for() {
    let fleet = fleet(&["a"])
        .set(|settings| settings.breaker.recovery_timeout = std::time::Duration::from_secs(4))
        .start()
        .await;
    fleet.send("a", &[ServerError; 5]);
    let waiter = fleet.wait("me", Requirement::default());
    pass(1.0).await;
    assert!(!waiter.is_finished());
    pass(5.0).await;
    assert_eq!(waiter.await.unwrap().unwrap().instance().id, "a");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_is_told_when_the_breaker_it_waits_behind_opens_for_long() {
    let fleet = fleet(&["a"]).limit(5).start().await;
    let held: Vec<_> = (0..5).map(|_| fleet.take()).collect();
    let waiters: Vec<_> = (0..8).map(|_| fleet.wait("me", Requirement::default())).collect();
    idle().await;
    for lease in held {
        lease.finish(ServerError);
    }
    idle().await;
    // Four of them got the places that became free before the breaker opened with the fifth failure.
    let mut refusals = 0;
    for waiter in waiters {
        assert!(waiter.is_finished());
        refusals += usize::from(matches!(waiter.await.unwrap(), Err(Refusal::NoneRoutable { .. })));
    }
    assert_eq!(refusals, 4);
}
