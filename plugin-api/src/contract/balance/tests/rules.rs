//! What each strategy prefers, on fleets small enough to see it.

use super::*;

fn set(fleet: &mut Fleet, place: usize, change: impl FnOnce(&mut View)) {
    change(&mut fleet.instances[place].view);
}

#[test]
fn an_empty_fleet_serves_nobody() {
    for (strategy, _) in Strategy::ALL {
        assert_eq!(Fleet::of(0).choose(strategy), Choice::Nothing, "{strategy:?}");
    }
}

#[test]
fn a_full_fleet_is_waited_for_and_a_dead_one_is_not() {
    for (strategy, _) in Strategy::ALL {
        for size in [3, 200] {
            let mut fleet = Fleet::with(size, |_, instance| {
                instance.view.capacity = Some(2);
                instance.view.in_flight = 2;
            });
            assert_eq!(fleet.choose(strategy), Choice::Wait, "{strategy:?}");
            assert_eq!(fleet.ask(strategy, Some(7), 0), Choice::Wait, "{strategy:?}");
            fleet
                .instances
                .iter_mut()
                .for_each(|instance| instance.eligible = false);
            assert_eq!(fleet.choose(strategy), Choice::Nothing, "{strategy:?}");
            assert_eq!(fleet.ask(strategy, Some(7), 0), Choice::Nothing, "{strategy:?}");
        }
    }
}

#[test]
fn degraded_ones_come_after_healthy_ones_and_before_nobody() {
    for (strategy, _) in Strategy::ALL {
        for affinity in [None, Some(99)] {
            let mut fleet = Fleet::with(5, |place, instance| {
                instance.view.degraded = place != 3;
                instance.view.in_flight = if place == 3 { 5 } else { 0 };
                instance.member.priority = -(place as i32);
            });
            assert_eq!(fleet.ask(strategy, affinity, 0), Choice::Take(3), "{strategy:?}");
            fleet.instances[3].eligible = false;
            assert!(
                matches!(fleet.ask(strategy, affinity, 0), Choice::Take(_)),
                "{strategy:?}"
            );
        }
    }
}

#[test]
fn nothing_is_fetched_because_those_that_have_it_are_full() {
    for (strategy, _) in Strategy::ALL {
        let mut fleet = Fleet::with(4, |place, instance| {
            instance.view.capacity = Some(1);
            instance.view.reach = if place == 0 { Reach::Stored } else { Reach::Absent };
        });
        assert_eq!(fleet.choose(strategy), Choice::Take(0), "{strategy:?}");
        set(&mut fleet, 0, |view| view.in_flight = 1);
        assert_eq!(fleet.ask(strategy, None, 1000), Choice::Wait, "{strategy:?}");
        fleet.instances[0].eligible = false;
        assert!(
            matches!(fleet.choose(strategy), Choice::Take(1..)),
            "{strategy:?}"
        );
    }
}

#[test]
fn least_loaded_is_relative_to_capacity() {
    let mut fleet = Fleet::with(2, |place, instance| {
        instance.view.capacity = Some([2, 8][place]);
        instance.view.in_flight = [1, 5][place];
    });
    assert_eq!(fleet.choose(Strategy::LeastLoaded), Choice::Take(1));
}

#[test]
fn least_loaded_counts_requests_and_not_loaded_models() {
    // An idle instance with everything loaded is idle; a cold one that works is not.
    let mut fleet = Fleet::with(2, |place, instance| {
        instance.view.reach = [Reach::Stored, Reach::Ready][place];
        instance.view.in_flight = [1, 0][place];
    });
    assert_eq!(fleet.choose(Strategy::LeastLoaded), Choice::Take(1));
}

#[test]
fn an_idle_instance_that_fails_half_its_requests_looks_as_busy_as_a_full_one() {
    for strategy in [Strategy::LeastLoaded, Strategy::LatencyBased, Strategy::Adaptive] {
        let mut fleet = Fleet::with(2, |place, instance| {
            instance.view.capacity = Some(4);
            instance.view.latency = Some(0.2);
            instance.view.in_flight = [0, 1][place];
            instance.view.error_rate = [0.8, 0.0][place];
        });
        assert_eq!(fleet.choose(strategy), Choice::Take(1), "{strategy:?}");
        set(&mut fleet, 0, |view| view.error_rate = 0.0);
        assert_eq!(fleet.choose(strategy), Choice::Take(0), "{strategy:?}");
    }
}

#[test]
fn latency_based_weighs_latency_with_what_is_in_flight() {
    let mut fleet = Fleet::with(2, |place, instance| {
        instance.view.latency = Some([0.1, 0.5][place]);
        instance.view.in_flight = [3, 0][place];
    });
    assert_eq!(fleet.choose(Strategy::LatencyBased), Choice::Take(0));
    set(&mut fleet, 0, |view| view.in_flight = 5);
    assert_eq!(fleet.choose(Strategy::LatencyBased), Choice::Take(1));
}

#[test]
fn latency_based_does_not_starve_an_instance_without_samples() {
    let mut fleet = Fleet::with(3, |place, instance| {
        instance.view.latency = [Some(0.01), Some(0.02), None][place];
    });
    assert_eq!(fleet.choose(Strategy::LatencyBased), Choice::Take(2));
    set(&mut fleet, 2, |view| view.in_flight = 1);
    for in_flight in 0..50 {
        set(&mut fleet, 0, |view| view.in_flight = in_flight);
        assert!(
            matches!(fleet.choose(Strategy::LatencyBased), Choice::Take(0 | 1)),
            "one trial at a time, and no flood"
        );
    }
    set(&mut fleet, 2, |view| view.in_flight = 0);
    set(&mut fleet, 2, |view| view.error_rate = 0.25);
    assert!(
        matches!(fleet.choose(Strategy::LatencyBased), Choice::Take(0 | 1)),
        "a trial that failed is not repeated at once"
    );
}

#[test]
fn priority_based_uses_the_highest_number_with_room() {
    let mut fleet = Fleet::with(6, |place, instance| {
        instance.member.priority = [0, 10, 10, -5, 0, 0][place];
        instance.view.capacity = Some(1);
    });
    let order: Vec<_> = (0..6)
        .map(|_| fleet.lease(Strategy::PriorityBased, None))
        .collect();
    let tiers: Vec<_> = order
        .iter()
        .map(|&place| fleet.instances[place].member.priority)
        .collect();
    assert_eq!(tiers, [10, 10, 0, 0, 0, -5]);
    fleet.release(2);
    assert_eq!(fleet.choose(Strategy::PriorityBased), Choice::Take(2));
}

#[test]
fn priority_based_finds_a_small_top_tier_in_a_large_fleet() {
    let mut fleet = Fleet::with(5000, |place, instance| {
        instance.member.priority = i32::from(place == 4321 || place == 7);
        instance.view.capacity = Some(100);
    });
    for _ in 0..50 {
        fleet.lease(Strategy::PriorityBased, None);
    }
    assert_eq!((fleet.instances[7].taken, fleet.instances[4321].taken), (25, 25));
}

#[test]
fn adaptive_sees_load_latency_and_errors() {
    let worse: [fn(&mut View); 3] = [
        |view| view.in_flight = 3,
        |view| view.latency = Some(2.0),
        |view| view.error_rate = 0.2,
    ];
    for worsen in worse {
        let mut fleet = Fleet::with(2, |_, instance| {
            instance.view.capacity = Some(4);
            instance.view.latency = Some(0.5);
            instance.view.in_flight = 1;
        });
        set(&mut fleet, 0, worsen);
        assert_eq!(fleet.choose(Strategy::Adaptive), Choice::Take(1));
    }
}

#[test]
fn first_available_keeps_to_the_configured_order() {
    let mut fleet = Fleet::with(3, |_, instance| instance.view.capacity = Some(2));
    let order: Vec<_> = (0..6)
        .map(|_| fleet.lease(Strategy::FirstAvailable, None))
        .collect();
    assert_eq!(order, [0, 0, 1, 1, 2, 2]);
}

#[test]
fn equals_are_used_in_turn() {
    for strategy in [
        Strategy::LeastLoaded,
        Strategy::ModelAffinity,
        Strategy::PriorityBased,
    ] {
        let mut fleet = Fleet::of(4);
        for _ in 0..40 {
            fleet.request(strategy);
        }
        assert_eq!(fleet.taken(), [10; 4], "{strategy:?}");
    }
}

#[test]
fn affinity_decides_between_equals_and_not_against_load() {
    for strategy in [
        Strategy::LeastLoaded,
        Strategy::LatencyBased,
        Strategy::Adaptive,
        Strategy::PriorityBased,
    ] {
        for size in [6, 500] {
            let mut fleet = Fleet::with(size, |_, instance| instance.view.latency = Some(0.1));
            let key = Some(key_hash("a conversation"));
            let favourite = fleet.lease(strategy, key);
            fleet.release(favourite);
            for _ in 0..20 {
                let place = fleet.lease(strategy, key);
                assert_eq!(place, favourite, "{strategy:?} of {size}");
                fleet.release(place);
            }
            set(&mut fleet, favourite, |view| view.in_flight = 2);
            assert_ne!(fleet.lease(strategy, key), favourite, "{strategy:?} of {size}");
        }
    }
}

#[test]
fn numbers_that_are_none_do_no_harm() {
    for (strategy, _) in Strategy::ALL {
        let mut fleet = Fleet::with(4, |place, instance| {
            instance.view.error_rate = [f32::NAN, f32::INFINITY, -1.0, 7.0][place];
            instance.view.latency = Some([f32::NAN, f32::INFINITY, -1.0, 0.0][place]);
            instance.view.in_flight = [u32::MAX, 0, 1, 2][place];
            instance.member.weight = [f64::NAN, f64::INFINITY, -1.0, 0.0][place];
        });
        assert!(matches!(fleet.choose(strategy), Choice::Take(_)), "{strategy:?}");
    }
}
