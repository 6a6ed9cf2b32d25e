//! Rendezvous hashing: who moves, and how far loads may differ.

use super::*;
use crate::contract::balance::hash::FACTOR;

fn keys(count: usize) -> impl Iterator<Item = u64> + Clone {
    (0..count).map(|number| key_hash(format!("session-{number}")))
}

/// Where each key goes while nothing else is in flight.
fn homes(fleet: &mut Fleet, count: usize) -> Vec<usize> {
    keys(count)
        .map(|key| {
            let place = fleet.lease(Strategy::HashBased, Some(key));
            fleet.release(place);
            place
        })
        .collect()
}

#[test]
fn equal_keys_go_to_one_instance_and_different_keys_to_all() {
    for (size, count) in [(5, 5_000), (150, 15_000)] {
        let mut fleet = Fleet::of(size);
        let first = homes(&mut fleet, count);
        let surprise = surprise(&fleet.taken(), |_| count as f64 / size as f64);
        assert!(surprise.abs() < 4.0, "{size}: {surprise}");
        assert_eq!(homes(&mut fleet, count), first);
    }
}

#[test]
fn a_fifth_instance_moves_a_fifth_of_the_keys_and_all_of_them_to_itself() {
    let (mut four, mut five) = (Fleet::of(4), Fleet::of(5));
    let (before, after) = (homes(&mut four, 10_000), homes(&mut five, 10_000));
    let moved: Vec<_> = before
        .iter()
        .zip(&after)
        .filter(|(old, new)| old != new)
        .collect();
    assert!(moved.iter().all(|(_, new)| **new == 4), "only to the newcomer");
    assert!((1850..=2150).contains(&moved.len()), "{} of 10 000", moved.len());
}

#[test]
fn when_an_instance_goes_only_its_own_keys_move() {
    // 64 and 65: the table of favourites takes over where the whole fleet is no longer looked at.
    for size in [4, 64, 65, 300] {
        let mut fleet = Fleet::of(size);
        let before = homes(&mut fleet, 2_000);
        let gone = before[0];

        // It fails and stays on the list, …
        fleet.instances[gone].eligible = false;
        let failed = homes(&mut fleet, 2_000);
        for (old, new) in before.iter().zip(&failed) {
            assert!(if *old == gone { new != &gone } else { old == new }, "{size}");
        }

        // … or leaves the list: its keys go to the same places.
        let mut instances = fleet.instances.clone();
        instances.remove(gone);
        let without = homes(&mut Fleet::from(instances), 2_000);
        let shifted: Vec<_> = without
            .iter()
            .map(|place| place + usize::from(*place >= gone))
            .collect();
        assert_eq!(shifted, failed, "{size}");

        // It comes back, and so do its keys.
        fleet.instances[gone].eligible = true;
        assert_eq!(homes(&mut fleet, 2_000), before, "{size}");
    }
}

#[test]
fn nobody_takes_more_than_a_quarter_above_its_share() {
    for size in [3, 10, 64] {
        let mut fleet = Fleet::of(size);
        let mut leases = std::collections::VecDeque::new();
        // All of them the same key, and then a few: the worst there is.
        for (number, key) in keys(3).cycle().take(2000).enumerate() {
            leases.push_back(fleet.lease(Strategy::HashBased, Some(key)));
            if number > 200 {
                fleet.release(leases.pop_front().unwrap());
            }
            let total: u32 = fleet
                .instances
                .iter()
                .map(|instance| instance.view.in_flight)
                .sum();
            let most = fleet
                .instances
                .iter()
                .map(|instance| instance.view.in_flight)
                .max()
                .unwrap();
            // A release lowers the mean under loads that were within their bound.
            let bound = (FACTOR * f64::from(total + 1) / size as f64).ceil();
            assert!(f64::from(most) <= bound, "{size}: {most} of {total}");
        }
    }
}

#[test]
fn shares_are_by_capacity() {
    let mut fleet = Fleet::with(2, |place, instance| {
        instance.view.capacity = Some([10, 90][place])
    });
    for key in keys(1).cycle().take(60) {
        fleet.lease(Strategy::HashBased, Some(key));
    }
    let small = fleet.instances[0].view.in_flight;
    assert!(small <= 8, "1.25 × a tenth of 60, rounded up: {small}");
}

#[test]
fn a_large_fleet_bounds_loads_as_well() {
    let mut fleet = Fleet::of(500);
    for _ in 0..5000 {
        fleet.lease(Strategy::HashBased, Some(key_hash("one hot key")));
    }
    let most = fleet
        .instances
        .iter()
        .map(|instance| instance.view.in_flight)
        .max();
    assert!(most <= Some(20), "the mean is 10: {most:?}");
}

#[test]
fn the_ineligible_do_not_enter_the_bound() {
    // Counting the dead would halve the share of the living and send every key elsewhere.
    let mut fleet = Fleet::with(8, |place, instance| instance.eligible = place < 2);
    let key = Some(key_hash("k"));
    let favourite = fleet.lease(Strategy::HashBased, key);
    let other = 1 - favourite;
    fleet.instances[favourite].view.in_flight = 5;
    fleet.instances[other].view.in_flight = 5;
    assert_eq!(fleet.ask(Strategy::HashBased, key, 0), Choice::Take(favourite));
}

#[test]
fn a_request_without_a_key_goes_to_the_least_loaded() {
    let mut fleet = Fleet::with(4, |place, instance| {
        instance.view.in_flight = [3, 1, 0, 2][place];
    });
    assert_eq!(fleet.choose(Strategy::HashBased), Choice::Take(2));
}

#[test]
fn the_hash_of_a_key_is_the_same_on_every_machine() {
    // Changing these moves every session of every user at the next upgrade.
    assert_eq!(key_hash(""), 0xc381_7c01_6ba4_ff30);
    assert_eq!(key_hash("gpu1:11434"), key_hash(String::from("gpu1:11434")));
    assert_ne!(key_hash("a"), key_hash("b"));
}
