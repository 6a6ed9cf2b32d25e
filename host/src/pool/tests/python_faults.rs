//! The faults of the Python system that this engine was built to be without, one test each.

use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::{Requirement, Strategy};

use crate::pool::testing::{Look, ME, fleet, idle, needs, pass};
use crate::pool::{Followed, Refusal, State, Tried};

/// One dead instance stopped the whole provider initialising: status crashed until it had passed a check.
#[tokio::test(start_paused = true)]
async fn one_dead_instance_does_not_stop_the_start() {
    let fleet = fleet(&["dead", "well"])
        .hub(|hub| hub.fails("dead"))
        .start()
        .await;
    assert_eq!(fleet.take().instance().id, "well");
    assert_eq!(fleet.status("dead").state, State::Starting);
    assert!(serde_json::to_value(fleet.pool.instances()).is_ok());
}

/// A model filter crashed while any instance had not been probed.
#[tokio::test(start_paused = true)]
async fn a_model_can_be_asked_for_while_an_instance_has_not_answered_yet() {
    let fleet = fleet(&["hangs", "well"])
        .hub(|hub| {
            hub.look("hangs", Look::Hangs);
            hub.holds("well", &["m"]);
        })
        .start()
        .await;
    assert_eq!(fleet.try_take(&needs("m")).unwrap().instance().id, "well");
}

/// `llama3.2` did not match `llama3.2:latest`.
#[tokio::test(start_paused = true)]
async fn a_name_without_a_tag_means_latest() {
    let fleet = fleet(&["a"])
        .hub(|hub| hub.holds("a", &["llama3.2:latest"]))
        .start()
        .await;
    assert!(fleet.try_take(&needs("llama3.2")).is_ok());
}

/// A retry hit the same instance again and again.
#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_another_instance() {
    let fleet = fleet(&["a", "b", "c"]).start().await;
    let mut tried = Tried::NONE;
    let mut visited = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let lease = fleet
            .pool
            .try_acquire(&Requirement::default(), &ME, &tried)
            .unwrap();
        tried.add(lease.key());
        visited.insert(lease.instance().id.clone());
        lease.finish(Outcome::ServerError);
    }
    assert_eq!(visited.len(), 3);
}

/// A bad prompt counted against the breaker.
#[tokio::test(start_paused = true)]
async fn a_clients_mistake_says_nothing_about_the_instance() {
    let fleet = fleet(&["a"]).start().await;
    fleet.send("a", &[Outcome::ClientError; 100]);
    let status = fleet.status("a");
    assert!(status.routable);
    assert_eq!(status.metrics.outcomes.failures(), 0);
}

/// `latency_based` never chose an instance without samples.
#[tokio::test(start_paused = true)]
async fn a_new_instance_gets_its_chance_under_latency_based() {
    let fleet = fleet(&["old"])
        .set(|settings| settings.strategy = Strategy::LatencyBased)
        .hub(|hub| hub.discovers(&[]))
        .start()
        .await;
    for _ in 0..20 {
        let lease = fleet.take();
        pass(0.01).await;
        lease.finish(Outcome::Success);
    }
    fleet.hub.discovers(&["new"]);
    pass(70.0).await;
    let spread = fleet.spread(4, &Requirement::default());
    assert!(spread["new"] >= 1, "{spread:?}");
}

/// `round_robin` was a counter modulo the filtered list, so it shifted whenever that changed.
#[tokio::test(start_paused = true)]
async fn round_robin_stays_even_while_the_set_changes() {
    let fleet = fleet(&["a", "b", "c", "d"])
        .set(|settings| settings.strategy = Strategy::RoundRobin)
        .start()
        .await;
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for round in 0..200 {
        // `d` comes and goes with every other request.
        if round % 2 == 0 {
            fleet.pool.drain("d")
        } else {
            fleet.pool.resume("d")
        }
        .unwrap();
        let lease = fleet.take();
        *counts.entry(lease.instance().id.clone()).or_default() += 1;
        lease.finish(Outcome::Success);
    }
    let even = |id: &str| (45..=60).contains(&counts[id]);
    assert!(even("a") && even("b") && even("c"), "{counts:?}");
}

/// With every instance at its limit a request failed at once: there was no queue.
#[tokio::test(start_paused = true)]
async fn a_request_waits_when_every_instance_is_at_its_limit() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let held = fleet.take();
    let waiter = fleet.wait("me", Requirement::default());
    pass(30.0).await;
    drop(held);
    assert!(waiter.await.unwrap().is_ok());
}

/// Three cancelled trials left the breaker half-open for ever.
#[tokio::test(start_paused = true)]
async fn cancelled_trials_do_not_wedge_the_breaker() {
    let fleet = fleet(&["a"]).start().await;
    fleet.send("a", &[Outcome::ServerError; 5]);
    pass(70.0).await;
    fleet.send("a", &[Outcome::Cancelled; 10]);
    fleet.send("a", &[Outcome::Success; 2]);
    assert!(fleet.status("a").routable);
}

/// `least_loaded` took the number of loaded models for load, so an idle warm instance looked busier than a cold one.
#[tokio::test(start_paused = true)]
async fn loaded_models_are_not_load() {
    let fleet = fleet(&["warm", "cold"])
        .hub(|hub| {
            hub.holds("warm", &["*m", "*n", "*o"]);
            hub.holds("cold", &["m"]);
        })
        .start()
        .await;
    let spread = fleet.spread(10, &Requirement::default());
    assert_eq!(spread["warm"], 5);
}

/// A failed request counted as two errors: two failures and a success were an error rate of 133 %.
#[tokio::test(start_paused = true)]
async fn a_failure_is_counted_once() {
    let fleet = fleet(&["a"]).start().await;
    fleet.send(
        "a",
        &[Outcome::ServerError, Outcome::ServerError, Outcome::Success],
    );
    let outcomes = fleet.status("a").metrics.outcomes;
    assert_eq!((outcomes.total(), outcomes.failures()), (3, 2));
    assert!((outcomes.error_rate() - 2.0 / 3.0).abs() < 1e-9);
}

/// Requests to discovered instances were not counted at all.
#[tokio::test(start_paused = true)]
async fn discovered_instances_are_counted_like_any_other() {
    let fleet = fleet(&[]).hub(|hub| hub.discovers(&["x"])).start().await;
    fleet.send("x", &[Outcome::Success]);
    assert_eq!(fleet.status("x").metrics.outcomes.total(), 1);
}

/// A local server was started for an instance that the hub had never owned, and for remote ones.
#[tokio::test(start_paused = true)]
async fn an_instance_the_hub_never_started_is_never_restarted() {
    let fleet = fleet(&["remote"])
        .set(|settings| settings.health.interval = Duration::from_secs(1))
        .start()
        .await;
    fleet.hub.fails("remote");
    pass(1_000.0).await;
    assert_eq!(fleet.status("remote").state, State::Unhealthy);
    assert_eq!(fleet.hub.calls("start"), 0);
}

/// Discovered instances that had vanished stayed, and so did what they were thought to hold.
#[tokio::test(start_paused = true)]
async fn a_vanished_instance_goes_with_everything_it_had() {
    let fleet = fleet(&["a"])
        .hub(|hub| {
            hub.discovers(&["x"]);
            hub.holds("x", &["m"]);
        })
        .start()
        .await;
    fleet.hub.discovers(&[]);
    pass(70.0).await;
    assert_eq!(fleet.ids(), ["a"]);
    assert!(fleet.try_take(&needs("m")).is_err());
}

/// Two allocations got the same instance, and nothing limited or ended them.
#[tokio::test(start_paused = true)]
async fn leases_are_exclusive_up_to_the_limit_and_end_with_their_holder() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let pool = fleet.pool.clone();
    let holder = tokio::spawn(async move {
        let _lease = pool
            .try_acquire(&Requirement::default(), &ME, &Tried::NONE)
            .unwrap();
        std::future::pending::<()>().await;
    });
    idle().await;
    assert_eq!(
        fleet.try_take(&Requirement::default()).unwrap_err(),
        Refusal::AllBusy
    );
    holder.abort();
    idle().await;
    assert!(fleet.try_take(&Requirement::default()).is_ok());
}

/// A different id was released than had been allocated: one leak for each call.
#[tokio::test(start_paused = true)]
async fn nothing_leaks_however_a_request_ends() {
    let fleet = fleet(&["a", "b"]).limit(2).start().await;
    let outcomes = [
        Outcome::Success,
        Outcome::ClientError,
        Outcome::Cancelled,
        Outcome::Busy {
            retry_after: Some(Duration::from_millis(1)),
        },
        Outcome::CapabilityMissing,
        Outcome::ServerError,
    ];
    for round in 0..300 {
        let lease = fleet
            .pool
            .acquire(&Requirement::default(), &ME, &Tried::NONE, None)
            .await;
        if let Ok(lease) = lease {
            lease.finish(outcomes[round % outcomes.len()]);
        }
    }
    assert_eq!((fleet.in_flight(), fleet.pool.queue_depth()), (0, 0));
}

/// Events were emitted under the registry's lock: a handler that called back dead-locked.
#[tokio::test(start_paused = true)]
async fn a_follower_of_events_may_call_the_pool() {
    let mut fleet = fleet(&["a", "b"]).start().await;
    let pool = fleet.pool.clone();
    let mut events = std::mem::replace(&mut fleet.events, crate::pool::EventSink::default().follow());
    let follower = tokio::spawn(async move {
        let mut answers = 0;
        while let Followed::Event(event) = events.next().await {
            if event.kind == "hub_stopped" {
                break;
            }
            answers += pool.instances().len() + pool.metrics().instances.len();
            if event.kind == "status_changed" && event.data["new"] == "draining" {
                let _ = pool.resume(event.instance.as_deref().unwrap_or_default());
            }
        }
        answers
    });
    fleet.pool.drain("a").unwrap();
    idle().await;
    assert_eq!(fleet.status("a").state, State::Healthy, "the follower resumed it");
    fleet.send("b", &[Outcome::ServerError; 5]);
    fleet
        .pool
        .shutdown(tokio::time::Instant::now() + Duration::from_secs(1))
        .await;
    let answers = tokio::time::timeout(Duration::from_secs(5), follower)
        .await
        .expect("no dead lock");
    assert!(answers.unwrap() > 0);
}

/// The breaker was asked after an instance had been chosen, so that a healthy sibling was never tried.
#[tokio::test(start_paused = true)]
async fn an_open_breaker_costs_no_request_while_a_sibling_is_well() {
    let fleet = fleet(&["bad", "good"]).start().await;
    fleet.send("bad", &[Outcome::ServerError; 5]);
    assert!((0..7).all(|_| fleet.take().instance().id == "good"));
}

/// `is_available` said yes to a degraded instance, but selection never took one.
#[tokio::test(start_paused = true)]
async fn a_degraded_instance_is_used_when_it_is_all_there_is() {
    let fleet = fleet(&["a"])
        .set(|settings| settings.health.interval = Duration::from_secs(1))
        .start()
        .await;
    fleet.hub.fails("a");
    pass(2.5).await;
    assert_eq!(fleet.status("a").state, State::Degraded);
    assert!(fleet.try_take(&Requirement::default()).is_ok());
}

/// A check that raised left the status as it was: ten errors, still healthy.
#[tokio::test(start_paused = true)]
async fn a_probe_that_raises_is_a_failed_probe() {
    let fleet = fleet(&["a"])
        .set(|settings| settings.health.interval = Duration::from_secs(1))
        .start()
        .await;
    fleet.hub.look("a", Look::Panics);
    pass(10.0).await;
    assert_eq!(fleet.status("a").state, State::Unhealthy);
}

/// A cheap failure made an instance look idle, so that it drew all the traffic.
#[tokio::test(start_paused = true)]
async fn an_instance_that_fails_fast_does_not_look_idle() {
    let fleet = fleet(&["bad", "good", "fair"]).start().await;
    let mut failures = 0;
    for _ in 0..60 {
        let lease = fleet.take();
        if lease.instance().id == "bad" {
            failures += 1;
            lease.finish(Outcome::ServerError);
        } else {
            pass(0.05).await;
            lease.finish(Outcome::Success);
        }
    }
    assert!(failures <= 6, "{failures} of 60 failed");
}
