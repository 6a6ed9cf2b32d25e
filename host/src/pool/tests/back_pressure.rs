//! Instances that say "not now".

use std::time::Duration;

use plugin_api::contract::breaker::BreakerState;
use plugin_api::contract::outcome::Outcome::{self, Success};
use plugin_api::contract::requirement::Requirement;

use crate::pool::Refusal;
use crate::pool::testing::{fleet, idle, pass};

fn busy(seconds: Option<u64>) -> Outcome {
    Outcome::Busy {
        retry_after: seconds.map(Duration::from_secs),
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_rests_as_long_as_it_asks_and_its_breaker_stays_closed() {
    let fleet = fleet(&["a", "b"]).start().await;
    fleet.send("a", &[busy(Some(20))]);
    let status = fleet.status("a");
    assert_eq!(
        (status.routable, status.breaker.state),
        (false, BreakerState::Closed)
    );
    assert_eq!(
        status.reason.as_deref(),
        Some("resting for 20 s more: it asked for that with Retry-After")
    );
    assert!(
        (0..10).all(|_| fleet.take().instance().id == "b"),
        "others take over"
    );
    pass(20.0).await;
    assert!(fleet.status("a").routable);
}

#[tokio::test(start_paused = true)]
async fn a_short_rest_is_waited_for() {
    let fleet = fleet(&["a"]).start().await;
    fleet.send("a", &[busy(Some(5))]);
    let waiter = fleet.wait("me", Requirement::default());
    pass(4.5).await;
    assert!(!waiter.is_finished());
    pass(1.0).await;
    let lease = waiter.await.unwrap().unwrap();
    assert!(lease.queued() >= Duration::from_millis(4900) && lease.queued() < Duration::from_millis(5100));
}

#[tokio::test(start_paused = true)]
async fn a_rest_longer_than_the_queue_allows_is_refused_with_when_to_come_back() {
    let fleet = fleet(&["a"]).start().await;
    fleet.send("a", &[busy(Some(240))]);
    let refusal = fleet.try_take(&Requirement::default()).unwrap_err();
    assert_eq!(refusal.retry_after(), Some(Duration::from_secs(240)));
    assert!(matches!(refusal, Refusal::NoneRoutable { .. }));
}

#[tokio::test(start_paused = true)]
async fn unasked_rests_grow_and_a_success_ends_that() {
    let fleet = fleet(&["a"]).start().await;
    let mut rests = Vec::new();
    for _ in 0..4 {
        fleet.send("a", &[busy(None)]);
        let begun = tokio::time::Instant::now();
        fleet
            .wait("me", Requirement::default())
            .await
            .unwrap()
            .unwrap()
            .finish(Outcome::ClientError);
        rests.push(begun.elapsed().as_secs_f64().round() as u64);
    }
    assert_eq!(rests, [1, 2, 4, 8]);
    fleet.send("a", &[Success, busy(None)]);
    pass(1.1).await;
    assert!(fleet.status("a").routable);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_busy_all_the_time_does_not_look_idle() {
    let fleet = fleet(&["busy", "well"]).start().await;
    let mut refused = 0;
    for _ in 0..60 {
        let lease = fleet.take();
        if lease.instance().id == "busy" {
            refused += 1;
            lease.finish(busy(None));
        } else {
            idle().await;
            lease.finish(Success);
        }
    }
    assert_eq!(refused, 1, "it rests after the first");
}
