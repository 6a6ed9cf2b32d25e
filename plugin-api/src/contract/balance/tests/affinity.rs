//! `model_affinity`: what is loaded is used, and load and backlog decide what else.

use super::*;

/// One of each reach: ready, loaded otherwise, stored, absent; two requests at once.
fn one_of_each() -> Fleet {
    Fleet::with(4, |place, instance| {
        instance.view.reach = Reach::DESCENDING[place];
        instance.view.capacity = Some(2);
    })
}

fn choice(fleet: &mut Fleet, waiting: u32) -> Choice {
    fleet.ask(Strategy::ModelAffinity, None, waiting)
}

#[test]
fn what_is_loaded_now_comes_before_what_is_only_on_disk() {
    let mut fleet = one_of_each();
    for place in 0..4 {
        assert_eq!(choice(&mut fleet, 0), Choice::Take(place));
        fleet.instances[place].eligible = false;
    }
    assert_eq!(choice(&mut fleet, 0), Choice::Nothing);
}

#[test]
fn an_idle_instance_with_the_model_on_disk_does_not_attract_it_from_a_busy_one() {
    let mut fleet = one_of_each();
    fleet.instances[0].view.in_flight = 1;
    assert_eq!(choice(&mut fleet, 0), Choice::Take(0));
}

#[test]
fn a_full_one_is_waited_for_until_a_whole_round_waits() {
    let mut fleet = one_of_each();
    fleet.instances[0].view.in_flight = 2;
    assert_eq!(choice(&mut fleet, 0), Choice::Wait);
    assert_eq!(choice(&mut fleet, 1), Choice::Wait);
    assert_eq!(choice(&mut fleet, 2), Choice::Take(1), "it takes two at once");
    fleet.instances[1].view.in_flight = 2;
    assert_eq!(choice(&mut fleet, 3), Choice::Wait);
    assert_eq!(choice(&mut fleet, 4), Choice::Take(2), "both together take four");
    fleet.instances[2].view.in_flight = 2;
    assert_eq!(
        choice(&mut fleet, 1_000_000),
        Choice::Wait,
        "nothing is fetched for a queue"
    );
}

#[test]
fn the_rule_is_the_same_in_a_large_fleet() {
    let mut fleet = Fleet::with(1000, |place, instance| {
        instance.view.reach = if place < 3 { Reach::Ready } else { Reach::Stored };
        instance.view.capacity = Some(2);
    });
    for _ in 0..6 {
        assert!(fleet.lease(Strategy::ModelAffinity, None) < 3);
    }
    assert_eq!(choice(&mut fleet, 5), Choice::Wait);
    assert!(matches!(choice(&mut fleet, 6), Choice::Take(3..)));
}

#[test]
fn one_without_limit_does_not_collect_everything() {
    let mut fleet = Fleet::with(2, |place, instance| {
        instance.view.reach = [Reach::Ready, Reach::Stored][place];
    });
    for _ in 0..super::super::affinity::CROWDED {
        assert_eq!(fleet.lease(Strategy::ModelAffinity, None), 0);
    }
    assert_eq!(choice(&mut fleet, 0), Choice::Take(1));
    fleet.instances[1].view.in_flight = 1;
    assert_eq!(choice(&mut fleet, 0), Choice::Take(0), "the other is busy too");
}

#[test]
fn a_healthy_one_that_must_load_comes_before_a_degraded_one_that_has_it() {
    let mut fleet = one_of_each();
    fleet.instances[0].view.degraded = true;
    fleet.instances[1].eligible = false;
    assert_eq!(choice(&mut fleet, 0), Choice::Take(2));
    fleet.instances[2].eligible = false;
    assert_eq!(choice(&mut fleet, 0), Choice::Take(0), "rather than fetch");
}

#[test]
fn rather_than_wait_a_degraded_one_that_has_it_loaded_is_used() {
    let mut fleet = one_of_each();
    fleet.instances[0].view.in_flight = 2;
    fleet.instances[1].view.degraded = true;
    assert_eq!(choice(&mut fleet, 0), Choice::Take(1));
}

#[test]
fn a_conversation_stays_where_it_is_while_load_allows() {
    for size in [5, 400] {
        let mut fleet = Fleet::with(size, |_, instance| instance.view.capacity = Some(40));
        for _ in 0..size * 10 {
            fleet.lease(Strategy::LeastLoaded, None);
        }
        let key = Some(key_hash("a conversation"));
        let home = fleet.lease(Strategy::ModelAffinity, key);
        assert_eq!(
            fleet.lease(Strategy::ModelAffinity, key),
            home,
            "one above the mean"
        );
        fleet.instances[home].view.in_flight = 30;
        assert_ne!(
            fleet.lease(Strategy::ModelAffinity, key),
            home,
            "three times the mean"
        );
    }
}

#[test]
fn a_conversation_does_not_leave_the_loaded_for_its_favourite() {
    let mut fleet = Fleet::with(8, |place, instance| {
        instance.view.reach = if place < 2 { Reach::Ready } else { Reach::Stored };
    });
    for number in 0..100 {
        let place = fleet.lease(Strategy::ModelAffinity, Some(key_hash(format!("{number}"))));
        assert!(place < 2);
        fleet.release(place);
    }
    assert!(
        fleet.taken()[..2].iter().all(|&count| count > 25),
        "{:?}",
        fleet.taken()
    );
}
