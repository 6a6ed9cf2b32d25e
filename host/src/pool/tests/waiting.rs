//! Waiting for an instance.

use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Priority::{High, Low, Normal, Urgent};
use plugin_api::contract::requirement::Requirement;
use tokio::time::Instant;

use crate::pool::testing::{ME, fleet, idle, needs, of_class, pass};
use crate::pool::{Lease, Refusal, Tried};

type Waiter = tokio::task::JoinHandle<Result<Lease, Refusal>>;

async fn granted(waiter: Waiter) -> Lease {
    idle().await;
    assert!(waiter.is_finished(), "still waiting");
    waiter.await.unwrap().unwrap()
}

async fn refused(waiter: Waiter) -> Refusal {
    idle().await;
    assert!(waiter.is_finished(), "still waiting");
    waiter.await.unwrap().unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_the_place_that_becomes_free() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let held = fleet.take();
    let waiter = fleet.wait("me", Requirement::default());
    pass(2.0).await;
    assert_eq!((fleet.pool.queue_depth(), waiter.is_finished()), (1, false));
    held.finish(Outcome::Success);
    let lease = granted(waiter).await;
    assert!(lease.queued() >= Duration::from_secs(2));
    assert_eq!((fleet.pool.queue_depth(), fleet.in_flight()), (0, 1));
    assert_eq!(fleet.pool.metrics().hub.counted.queue_wait.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn classes_are_served_in_strict_order() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let mut held = fleet.take();
    let mut waiters: Vec<_> = Vec::new();
    for class in [Low, Normal, Urgent, High] {
        waiters.push((class, fleet.wait("me", of_class(class))));
        idle().await;
    }
    for class in [Urgent, High, Normal, Low] {
        drop(held);
        let at = waiters.iter().position(|(waiting, _)| *waiting == class).unwrap();
        held = granted(waiters.remove(at).1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_many_requests_does_not_keep_another_waiting() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let held = fleet.take();
    let greedy: Vec<_> = (0..20)
        .map(|_| fleet.wait("greedy", Requirement::default()))
        .collect();
    idle().await;
    let modest = fleet.wait("modest", Requirement::default());
    idle().await;
    drop(held);
    idle().await;
    let first = greedy
        .into_iter()
        .find(|waiter| waiter.is_finished())
        .expect("the first of the greedy");
    drop(first.await.unwrap());
    granted(modest).await;
}

#[tokio::test(start_paused = true)]
async fn low_does_not_starve_under_a_flood_of_urgent() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let mut held = fleet.take();
    let low = fleet.wait("patient", of_class(Low));
    idle().await;
    // The queue's limit is 60 s; by 45 s low has risen to urgent and has its turn.
    for _ in 0..47 {
        let urgent = fleet.wait("pushy", of_class(Urgent));
        pass(1.0).await;
        drop(held);
        idle().await;
        if low.is_finished() {
            return;
        }
        held = granted(urgent).await;
    }
    panic!("low starves");
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_those_who_wait() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let held = fleet.take();
    let waiter = fleet.wait("me", Requirement::default());
    idle().await;
    drop(held);
    // The waiter has the place already, although its task has not run yet.
    assert_eq!(
        fleet.try_take(&Requirement::default()).unwrap_err(),
        Refusal::AllBusy
    );
    granted(waiter).await;
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_one_model_hold_up_nobody_who_wants_another() {
    let fleet = fleet(&["a", "b"])
        .limit(1)
        .hub(|hub| {
            hub.holds("a", &["m"]);
            hub.holds("b", &["n"]);
        })
        .start()
        .await;
    let held = fleet.try_take(&needs("m")).unwrap();
    let waiter = fleet.wait("me", needs("m"));
    idle().await;
    assert_eq!(fleet.try_take(&needs("n")).unwrap().instance().id, "b");
    let queued = granted(fleet.wait("me", needs("n"))).await;
    assert_eq!(queued.instance().id, "b");
    drop(queued);
    assert!(!waiter.is_finished());
    drop(held);
    granted(waiter).await;
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_queues_limit_the_requests_or_the_deadline() {
    let fleet = fleet(&["a"])
        .limit(1)
        .set(|settings| settings.queue.timeout = Duration::from_secs(10))
        .start()
        .await;
    let _held = fleet.take();
    let own = Requirement {
        queue_timeout: Some(Duration::from_secs(3)),
        ..Requirement::default()
    };
    for (requirement, patience, seconds) in [
        (Requirement::default(), 100, 10),
        (own.clone(), 100, 3),
        (own, 1, 1),
    ] {
        let begun = Instant::now();
        let deadline = Some(begun + Duration::from_secs(patience));
        let refusal = fleet
            .pool
            .acquire(&requirement, &ME, &Tried::NONE, deadline)
            .await
            .unwrap_err();
        assert!(matches!(refusal, Refusal::QueueTimeout { .. }), "{refusal:?}");
        let waited = begun.elapsed();
        assert!(
            (waited.as_secs_f64() - f64::from(seconds)).abs() < 0.1,
            "{waited:?}"
        );
    }
    assert_eq!(
        (
            fleet.pool.queue_depth(),
            fleet.pool.metrics().hub.counted.refused_queue_timeout
        ),
        (0, 3)
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_says_how_long_it_will_take() {
    let fleet = fleet(&["a", "b"])
        .limit(1)
        .set(|settings| settings.queue.size = 4)
        .start()
        .await;
    for id in ["a", "b"] {
        let lease = fleet.take_from(id);
        pass(10.0).await;
        lease.finish(Outcome::Success);
    }
    let _held = [fleet.take(), fleet.take()];
    let _waiters: Vec<_> = (0..4).map(|_| fleet.wait("me", Requirement::default())).collect();
    idle().await;
    // Two instances at ten seconds a request: five requests take twenty-five seconds.
    let refusal = refused(fleet.wait("me", Requirement::default())).await;
    assert_eq!(
        refusal,
        Refusal::QueueFull {
            retry_after: Duration::from_secs(25)
        }
    );
    assert_eq!(fleet.pool.queue_depth(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_room_for_a_higher_class_and_a_modest_caller() {
    let fleet = fleet(&["a"])
        .limit(1)
        .set(|settings| settings.queue.size = 3)
        .start()
        .await;
    let _held = fleet.take();
    let mut greedy = Vec::new();
    for _ in 0..3 {
        greedy.push(fleet.wait("greedy", Requirement::default()));
        idle().await;
    }
    let modest = fleet.wait("modest", Requirement::default());
    assert!(matches!(
        refused(greedy.pop().unwrap()).await,
        Refusal::QueueFull { .. }
    ));
    let urgent = fleet.wait("greedy", of_class(Urgent));
    assert!(matches!(
        refused(greedy.pop().unwrap()).await,
        Refusal::QueueFull { .. }
    ));
    assert_eq!(fleet.pool.queue_depth(), 3);
    assert!(!modest.is_finished() && !urgent.is_finished() && !greedy[0].is_finished());
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_resumed_serves_those_who_wait() {
    let fleet = fleet(&["a", "b"]).limit(1).start().await;
    let _held = fleet.take_from("a");
    fleet.pool.drain("b").unwrap();
    let waiter = fleet.wait("me", Requirement::default());
    idle().await;
    fleet.pool.resume("b").unwrap();
    assert_eq!(granted(waiter).await.instance().id, "b");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_appears_or_recovers_serves_those_who_wait() {
    let fleet = fleet(&["a", "b"])
        .limit(1)
        .set(|settings| settings.health.interval = Duration::from_secs(1))
        .hub(|hub| hub.fails("b"))
        .start()
        .await;
    let _held = fleet.take_from("a");
    let recovered = fleet.wait("me", Requirement::default());
    pass(8.0).await;
    assert!(!recovered.is_finished());
    fleet.hub.well("b");
    pass(15.0).await;
    let _recovered = granted(recovered).await;
    let appeared = fleet.wait(
        "me",
        Requirement {
            queue_timeout: Some(Duration::from_secs(99)),
            ..Requirement::default()
        },
    );
    fleet.hub.discovers(&["c"]);
    pass(70.0).await;
    assert_eq!(granted(appeared).await.instance().id, "c");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_gets_the_model_serves_those_who_wait_for_it() {
    use crate::pool::Note;
    use crate::pool::testing::capability;

    let fleet = fleet(&["a", "b"])
        .limit(1)
        .hub(|hub| hub.holds("a", &["m"]))
        .start()
        .await;
    let _held = fleet.try_take(&needs("m")).unwrap();
    let waiter = fleet.wait("me", needs("m"));
    idle().await;
    fleet
        .pool
        .note_capability("b", "m", Note::Present(capability("m")));
    assert_eq!(granted(waiter).await.instance().id, "b");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_nothing_are_told_at_once() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let held = fleet.take();
    let waiter = fleet.wait("me", Requirement::default());
    idle().await;
    fleet.pool.drain("a").unwrap();
    let refusal = refused(waiter).await;
    assert_eq!(
        refusal.to_string(),
        "no instance can serve this now: a: draining: an operator asked for it"
    );
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_goes_away_leaves_its_place_and_its_grant_to_the_next() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let held = fleet.take();
    let (gone, late) = (
        fleet.wait("me", Requirement::default()),
        fleet.wait("me", Requirement::default()),
    );
    idle().await;
    gone.abort();
    idle().await;
    assert_eq!(fleet.pool.queue_depth(), 1);
    drop(held);
    // Granted, but the task has not run yet: the grant is on its way to a waiter that is gone.
    late.abort();
    idle().await;
    assert_eq!((fleet.pool.queue_depth(), fleet.in_flight()), (0, 0));
    let outcomes = fleet.status("a").metrics.outcomes;
    assert_eq!(outcomes.total(), 1, "a grant that nobody took was no request");
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_the_first_probe_instead_of_being_told_that_the_model_is_unknown() {
    let fleet = fleet(&["a"]).hub(|hub| hub.holds("a", &["m"])).begin();
    let (known, unknown) = (fleet.wait("me", needs("m")), fleet.wait("me", needs("n")));
    assert_eq!(granted(known).await.instance().id, "a");
    assert_eq!(
        refused(unknown).await,
        Refusal::Unknown {
            what: "`n`".into(),
            capability: Some("n".into())
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_an_instance_it_has_not_been_to() {
    let fleet = fleet(&["a", "b"]).limit(1).start().await;
    let held = fleet.take_from("b");
    let mut tried = Tried::NONE;
    tried.add(fleet.take_from("a").key());
    let refusal = fleet
        .pool
        .try_acquire(&Requirement::default(), &ME, &tried)
        .unwrap_err();
    assert_eq!(
        refusal,
        Refusal::AllBusy,
        "a is free, but has failed this request"
    );
    drop(held);
    let lease = fleet
        .pool
        .acquire(&Requirement::default(), &ME, &tried, None)
        .await
        .unwrap();
    assert_eq!(lease.instance().id, "b");
}
