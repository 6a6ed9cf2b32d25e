//! How requests spread. Turns are fixed, so every figure here is the same in every run.

use super::*;

#[test]
fn random_is_uniform_over_the_eligible() {
    for (size, requests) in [(7, 7_000), (64, 32_000), (65, 32_000), (1000, 200_000)] {
        let mut fleet = Fleet::with(size, |place, instance| instance.eligible = place % 3 != 0);
        for _ in 0..requests {
            fleet.request(Strategy::Random);
        }
        let counts: Vec<u32> = fleet
            .instances
            .iter()
            .filter(|instance| instance.eligible)
            .map(|instance| instance.taken)
            .collect();
        let expected = f64::from(requests) / counts.len() as f64;
        let surprise = surprise(&counts, |_| expected);
        assert!(surprise.abs() < 4.0, "{size}: {surprise}");
    }
}

#[test]
fn random_is_uniform_even_where_hardly_any_is_eligible() {
    let mut fleet = Fleet::with(2000, |place, instance| instance.eligible = place % 200 == 17);
    for _ in 0..5000 {
        fleet.request(Strategy::Random);
    }
    let counts: Vec<u32> = fleet.taken().into_iter().filter(|&count| count > 0).collect();
    assert_eq!(counts.len(), 10);
    assert!(surprise(&counts, |_| 500.0).abs() < 4.0, "{counts:?}");
}

#[test]
fn weighted_is_proportional_to_weight() {
    for (size, requests) in [(6, 12_000), (600, 120_000)] {
        let weight = |place: usize| [1.0, 2.0, 0.5, 4.0, 1.0, 1.5][place % 6];
        let mut fleet = Fleet::with(size, |place, instance| instance.member.weight = weight(place));
        for _ in 0..requests {
            fleet.request(Strategy::Weighted);
        }
        let total: f64 = (0..size).map(weight).sum();
        let surprise = surprise(&fleet.taken(), |place| {
            f64::from(requests) * weight(place) / total
        });
        assert!(surprise.abs() < 4.0, "{size}: {surprise}");
    }
}

#[test]
fn weighted_leaves_the_share_of_the_ineligible_to_the_others_in_proportion() {
    let mut fleet = Fleet::with(3, |place, instance| {
        instance.member.weight = [1.0, 3.0, 96.0][place];
        instance.eligible = place != 2;
    });
    for _ in 0..4000 {
        fleet.request(Strategy::Weighted);
    }
    let counts = &fleet.taken()[..2];
    assert!(
        surprise(counts, |place| [1000.0, 3000.0][place]).abs() < 4.0,
        "{counts:?}"
    );
}

#[test]
fn round_robin_gives_everyone_the_same() {
    let mut fleet = Fleet::of(7);
    let order: Vec<_> = (0..21).map(|_| fleet.request(Strategy::RoundRobin)).collect();
    assert_eq!(order[..7], order[7..14]);
    assert_eq!(order[..7], order[14..]);
    assert_eq!(fleet.taken(), [3; 7]);

    let mut fleet = Fleet::of(1000);
    for _ in 0..20_000 {
        fleet.request(Strategy::RoundRobin);
    }
    let taken = fleet.taken();
    let (least, most) = (taken.iter().min(), taken.iter().max());
    assert!(
        least >= Some(&12) && most <= Some(&28),
        "20 each on average: {least:?} to {most:?}; at random it would be 6 to 36"
    );
}

#[test]
fn least_loaded_keeps_loads_even() {
    for (size, spread) in [(10, 0), (64, 0), (1000, 1)] {
        let mut fleet = Fleet::of(size);
        for _ in 0..size * 10 {
            fleet.lease(Strategy::LeastLoaded, None);
        }
        let loads: Vec<_> = fleet
            .instances
            .iter()
            .map(|instance| instance.view.in_flight)
            .collect();
        let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        assert!(most - 10 <= spread, "{size}: {least} to {most}");
    }
}

#[test]
fn least_loaded_finds_the_idle_ones_of_a_busy_fleet() {
    let mut fleet = Fleet::with(200, |place, instance| {
        instance.view.in_flight = u32::from(place % 20 != 0);
    });
    let idle = (0..10)
        .filter(|_| {
            let place = fleet.lease(Strategy::LeastLoaded, None);
            place.is_multiple_of(20)
        })
        .count();
    assert!(idle >= 8, "{idle} of 10");
}

#[test]
fn latency_based_gives_the_quick_more_and_the_slow_some() {
    let mut fleet = Fleet::with(3, |place, instance| {
        instance.view.latency = Some([0.1, 0.2, 0.4][place]);
    });
    for _ in 0..700 {
        fleet.lease(Strategy::LatencyBased, None);
    }
    let taken = fleet.taken();
    for (place, share) in [400u32, 200, 100].into_iter().enumerate() {
        assert!(taken[place].abs_diff(share) <= 2, "{taken:?}");
    }
}

#[test]
fn adaptive_spreads_over_equals_and_spares_the_weak() {
    let mut fleet = Fleet::with(4, |place, instance| {
        instance.view.capacity = Some(100);
        instance.view.latency = Some([0.1, 0.1, 0.1, 0.8][place]);
    });
    for _ in 0..120 {
        fleet.lease(Strategy::Adaptive, None);
    }
    let taken = fleet.taken();
    assert!(
        taken[..3].iter().all(|&count| count.abs_diff(taken[0]) <= 1),
        "{taken:?}"
    );
    assert!(taken[3] < taken[0], "{taken:?}");
}

#[test]
fn model_affinity_spreads_over_those_that_have_it_loaded() {
    let mut fleet = Fleet::with(300, |place, instance| {
        let loaded = place % 100 == 0;
        instance.view.reach = if loaded { Reach::Ready } else { Reach::Stored };
        instance.view.capacity = Some(8);
    });
    for _ in 0..15 {
        fleet.lease(Strategy::ModelAffinity, None);
    }
    let taken: Vec<_> = [0, 100, 200].map(|place| fleet.instances[place].taken).into();
    assert_eq!(taken, [5, 5, 5]);
}

#[test]
fn the_share_of_an_instance_that_fails_at_once_stays_small() {
    use crate::contract::metrics::ErrorRate;
    use crate::contract::time::Tick;
    use std::time::Duration;

    for strategy in [Strategy::LeastLoaded, Strategy::LatencyBased, Strategy::Adaptive] {
        let mut fleet = Fleet::with(2, |_, instance| {
            instance.view.capacity = Some(16);
            instance.view.latency = Some(0.5);
        });
        let errors = ErrorRate::new();
        let mut busy = std::collections::VecDeque::new();
        // Ten requests a second for a minute; the healthy one takes half a second for each.
        for request in 0..600u64 {
            let now = Tick::at(Duration::from_millis(request * 100));
            if busy.front().is_some_and(|&(until, _)| until <= request) {
                let (_, place) = busy.pop_front().unwrap();
                fleet.release(place);
            }
            fleet.instances[0].view.error_rate = errors.get(now);
            let place = fleet.lease(strategy, None);
            match place {
                0 => {
                    errors.record(true, now);
                    fleet.release(0);
                }
                place => busy.push_back((request + 5, place)),
            }
        }
        let failed = fleet.instances[0].taken;
        assert!(
            (1..90).contains(&failed),
            "{strategy:?}: {failed} of 600 went to it"
        );
    }
}
