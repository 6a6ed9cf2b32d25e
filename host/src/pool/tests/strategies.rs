//! Every strategy on a live pool, while instances appear, vanish and fail.

use std::collections::BTreeMap;
use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::{Requirement, Strategy};

use crate::pool::testing::{Fleet, Plan, fleet, needs, pass};

const FOUR: [&str; 4] = ["a", "b", "c", "d"];

fn four(strategy: Strategy) -> Plan {
    fleet(&FOUR)
        .set(|settings| settings.strategy = strategy)
        .hub(|hub| {
            FOUR.iter().for_each(|id| hub.holds(id, &["*m"]));
        })
}

/// So many requests, each for another key, one after the other; each takes ten milliseconds.
async fn requests(fleet: &Fleet, count: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for number in 0..count {
        let requirement = Requirement {
            affinity: Some(format!("key-{number}")),
            ..needs("m")
        };
        let lease = fleet.try_take(&requirement).unwrap();
        *counts.entry(lease.instance().id.clone()).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
        lease.first_byte();
        lease.finish(Outcome::Success);
    }
    counts
}

fn share(counts: &BTreeMap<String, usize>, id: &str) -> usize {
    counts.get(id).copied().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn no_strategy_uses_what_is_drained_broken_sick_or_gone() {
    for (strategy, name) in Strategy::ALL {
        let fleet = four(strategy)
            .set(|settings| settings.health.interval = Duration::from_secs(1))
            .hub(|hub| {
                hub.discovers(&["found"]);
                hub.holds("found", &["*m"]);
            })
            .start()
            .await;
        fleet.hub.fails("c");
        fleet.hub.discovers(&[]);
        pass(70.0).await;
        fleet.pool.drain("a").unwrap();
        fleet.send("b", &[Outcome::ServerError; 5]);
        assert_eq!(
            requests(&fleet, 40).await,
            BTreeMap::from([("d".to_owned(), 40)]),
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_strategy_that_spreads_does_so_and_takes_a_newcomer_in() {
    for strategy in [
        Strategy::RoundRobin,
        Strategy::LeastLoaded,
        Strategy::Random,
        Strategy::Weighted,
        Strategy::HashBased,
        Strategy::LatencyBased,
        Strategy::ModelAffinity,
        Strategy::PriorityBased,
        Strategy::Adaptive,
    ] {
        let name = strategy.name();
        let fleet = four(strategy).start().await;
        let counts = requests(&fleet, 400).await;
        for id in FOUR {
            assert!(share(&counts, id) >= 50, "{name}: {counts:?}");
        }
        fleet.hub.discovers(&["new"]);
        fleet.hub.holds("new", &["*m"]);
        pass(70.0).await;
        let counts = requests(&fleet, 400).await;
        assert!(share(&counts, "new") >= 40, "{name}: {counts:?}");
        assert!(
            share(&counts, "new") <= 200,
            "a newcomer is not flooded under {name}: {counts:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn round_robin_is_exact() {
    let fleet = four(Strategy::RoundRobin).start().await;
    let counts = requests(&fleet, 400).await;
    assert!(FOUR.iter().all(|id| share(&counts, id) == 100), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn least_loaded_fills_up_evenly() {
    let fleet = four(Strategy::LeastLoaded).start().await;
    let held: Vec<_> = (0..22).map(|_| fleet.try_take(&needs("m")).unwrap()).collect();
    let loads: Vec<_> = FOUR.iter().map(|id| fleet.status(id).in_flight).collect();
    assert!(loads.iter().all(|load| (5..=6).contains(load)), "{loads:?}");
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn weights_are_shares() {
    let fleet = four(Strategy::Weighted)
        .set(|settings| settings.instances[0].weight = Some(5.0))
        .start()
        .await;
    let counts = requests(&fleet, 800).await;
    assert!(
        (440..=560).contains(&share(&counts, "a")),
        "five eighths are five hundred: {counts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_stays_with_its_instance_and_moves_only_if_that_one_goes() {
    let fleet = four(Strategy::HashBased).start().await;
    let homes = |fleet: &Fleet| -> Vec<String> {
        (0..100)
            .map(|number| {
                let requirement = Requirement {
                    affinity: Some(format!("user-{number}")),
                    ..needs("m")
                };
                fleet.try_take(&requirement).unwrap().instance().id.clone()
            })
            .collect()
    };
    let before = homes(&fleet);
    assert_eq!(homes(&fleet), before);
    fleet.pool.drain("b").unwrap();
    for (old, new) in before.iter().zip(homes(&fleet)) {
        assert!(*old == new || old == "b", "a key moved from {old} to {new}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lower_tier_serves_while_the_higher_is_full_or_gone() {
    let fleet = four(Strategy::PriorityBased)
        .limit(1)
        .set(|settings| settings.instances[2].priority = Some(10))
        .start()
        .await;
    let best = fleet.try_take(&needs("m")).unwrap();
    assert_eq!(best.instance().id, "c");
    assert_ne!(fleet.try_take(&needs("m")).unwrap().instance().id, "c");
    drop(best);
    assert_eq!(fleet.try_take(&needs("m")).unwrap().instance().id, "c");
    fleet.pool.drain("c").unwrap();
    assert_ne!(fleet.try_take(&needs("m")).unwrap().instance().id, "c");
}

#[tokio::test(start_paused = true)]
async fn the_first_available_is_the_first_configured_that_is_well() {
    let fleet = four(Strategy::FirstAvailable).start().await;
    assert_eq!(share(&requests(&fleet, 10).await, "a"), 10);
    fleet.pool.drain("a").unwrap();
    assert_eq!(share(&requests(&fleet, 10).await, "b"), 10);
    fleet.pool.resume("a").unwrap();
    assert_eq!(share(&requests(&fleet, 10).await, "a"), 10);
}

#[tokio::test(start_paused = true)]
async fn the_quick_get_more_than_the_slow() {
    for strategy in [Strategy::LatencyBased, Strategy::Adaptive] {
        let fleet = four(strategy).start().await;
        let mut counts = BTreeMap::<String, usize>::new();
        for _ in 0..300 {
            let lease = fleet.try_take(&needs("m")).unwrap();
            let id = lease.instance().id.clone();
            let millis = if id == "a" { 500 } else { 10 };
            tokio::time::sleep(Duration::from_millis(millis)).await;
            *counts.entry(id).or_default() += 1;
            lease.finish(Outcome::Success);
        }
        assert!(share(&counts, "a") < 30, "{}: {counts:?}", strategy.name());
    }
}
