//! Instances that appear, vanish and fail while requests go on.

use super::*;

/// Strategies that use every one of a few equal instances.
const SPREADING: [Strategy; 8] = [
    Strategy::RoundRobin,
    Strategy::LeastLoaded,
    Strategy::Random,
    Strategy::ModelAffinity,
    Strategy::LatencyBased,
    Strategy::Weighted,
    Strategy::PriorityBased,
    Strategy::Adaptive,
];

#[test]
fn one_that_fails_gets_nothing_and_gets_its_share_again_when_it_is_back() {
    for strategy in SPREADING {
        let mut fleet = Fleet::of(4);
        for _ in 0..400 {
            fleet.request(strategy);
        }
        fleet.forget();
        fleet.instances[2].eligible = false;
        for _ in 0..300 {
            fleet.request(strategy);
        }
        let taken = fleet.taken();
        assert_eq!(taken[2], 0, "{strategy:?}");
        for place in [0, 1, 3] {
            assert!((70..=130).contains(&taken[place]), "{strategy:?}: {taken:?}");
        }
        fleet.forget();
        fleet.instances[2].eligible = true;
        for _ in 0..400 {
            fleet.request(strategy);
        }
        let taken = fleet.taken();
        assert!(
            taken.iter().all(|count| (65..=135).contains(count)),
            "{strategy:?}: {taken:?}"
        );
    }
}

#[test]
fn a_newcomer_gets_its_share_and_no_flood() {
    for strategy in SPREADING {
        let mut fleet = Fleet::of(4);
        for _ in 0..400 {
            fleet.request(strategy);
        }
        let mut instances = fleet.instances.clone();
        instances.push(Fleet::of(5).instances[4].clone());
        let turn = fleet.turn;
        fleet = Fleet::from(instances);
        fleet.turn = turn;
        fleet.forget();
        for _ in 0..10 {
            fleet.request(strategy);
        }
        assert!(fleet.taken()[4] <= 5, "{strategy:?}: {:?}", fleet.taken());
        for _ in 0..490 {
            fleet.request(strategy);
        }
        let taken = fleet.taken();
        assert!(
            taken.iter().all(|count| (65..=135).contains(count)),
            "{strategy:?}: {taken:?}"
        );
    }
}

#[test]
fn round_robin_does_not_shift_when_the_eligible_change() {
    // One instance flaps with every request. A modulo of the filtered list would skip some and repeat others.
    let mut fleet = Fleet::of(5);
    for request in 0..600 {
        fleet.instances[4].eligible = request % 2 == 0;
        fleet.request(Strategy::RoundRobin);
    }
    let taken = fleet.taken();
    assert_eq!(taken[..4], [125; 4], "the others are served evenly");
    assert_eq!(
        taken[4], 100,
        "and it gets nearly a fifth although it is there half of the time"
    );
}

#[test]
fn round_robin_does_not_start_anew_when_the_list_is_rebuilt() {
    let mut fleet = Fleet::of(100);
    for request in 0..3000 {
        if request % 3 == 0 {
            let turn = fleet.turn;
            fleet = Fleet::from(fleet.instances.clone());
            fleet.turn = turn;
        }
        fleet.request(Strategy::RoundRobin);
    }
    let taken = fleet.taken();
    assert!(taken.iter().all(|&count| (18..=45).contains(&count)), "{taken:?}");
}

#[test]
fn round_robin_is_fair_to_requests_that_only_some_can_serve() {
    // Every other request can be served by one instance alone: a shared cursor would send the rest to its
    // neighbour for ever.
    let mut fleet = Fleet::of(6);
    for request in 0..1200 {
        let narrow = request % 2 == 0;
        for (place, instance) in fleet.instances.iter_mut().enumerate() {
            instance.eligible = !narrow || place == 3;
        }
        fleet.request(Strategy::RoundRobin);
    }
    let taken = fleet.taken();
    for place in [0, 1, 2, 4, 5] {
        assert!((118..=122).contains(&taken[place]), "{taken:?}");
    }
}

#[test]
fn first_available_comes_back_to_the_first() {
    let mut fleet = Fleet::of(3);
    let mut order = Vec::new();
    for request in 0..9 {
        fleet.instances[0].eligible = !(3..6).contains(&request);
        order.push(fleet.request(Strategy::FirstAvailable));
    }
    assert_eq!(order, [0, 0, 0, 1, 1, 1, 0, 0, 0]);
}

#[test]
fn a_large_fleet_of_which_one_is_left_still_serves() {
    for (strategy, _) in Strategy::ALL {
        for affinity in [None, Some(5)] {
            let mut fleet = Fleet::with(3000, |place, instance| instance.eligible = place == 1717);
            assert_eq!(
                fleet.ask(strategy, affinity, 0),
                Choice::Take(1717),
                "{strategy:?}"
            );
        }
    }
}

#[test]
fn a_large_fleet_of_degraded_ones_still_serves() {
    for (strategy, _) in Strategy::ALL {
        for affinity in [None, Some(5)] {
            let mut fleet = Fleet::with(3000, |_, instance| instance.view.degraded = true);
            assert!(
                matches!(fleet.ask(strategy, affinity, 0), Choice::Take(_)),
                "{strategy:?}"
            );
        }
    }
}
