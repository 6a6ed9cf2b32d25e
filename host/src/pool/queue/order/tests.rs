use std::collections::HashMap;
use std::time::Duration;

use plugin_api::contract::requirement::Priority::{self, High, Low, Normal, Urgent};
use plugin_api::contract::time::Tick;
use proptest::prelude::*;

use super::{Lane, Offer, Order};

const AGEING: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Tick {
    Tick::at(Duration::from_secs(seconds))
}

/// Who is served, one after the other, if every lane can be.
fn served(order: &mut Order<&'static str>, now: Tick) -> Vec<&'static str> {
    std::iter::from_fn(|| next(order, now, &[])).collect()
}

fn next(order: &mut Order<&'static str>, now: Tick, busy: &[Lane]) -> Option<&'static str> {
    let taken = order.take(now, &mut Vec::new(), |lane, _| match busy.contains(&lane) {
        true => Offer::Blocked,
        false => Offer::Taken(()),
    });
    taken.map(|(left, ())| left.payload)
}

#[test]
fn a_higher_class_goes_first_whenever_it_came() {
    let mut order = Order::new(AGEING);
    for (class, name) in [
        (Low, "low"),
        (Urgent, "urgent"),
        (Normal, "normal"),
        (High, "high"),
    ] {
        order.push("me", class, 0, at(0), name);
    }
    assert_eq!(served(&mut order, at(0)), ["urgent", "high", "normal", "low"]);
    assert_eq!(order.len(), 0);
}

#[test]
fn callers_take_turns_however_much_one_of_them_asks_for() {
    let mut order = Order::new(AGEING);
    for name in ["a1", "a2", "a3", "a4"] {
        order.push("a", Normal, 0, at(0), name);
    }
    order.push("b", Normal, 0, at(1), "b1");
    order.push("c", Normal, 0, at(2), "c1");
    order.push("b", Normal, 0, at(3), "b2");
    assert_eq!(
        served(&mut order, at(4)),
        ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]
    );
}

#[test]
fn within_a_caller_who_came_first_is_served_first_across_lanes() {
    let mut order = Order::new(AGEING);
    for (lane, name) in [(1, "first"), (0, "second"), (1, "third")] {
        order.push("me", Normal, lane, at(0), name);
    }
    assert_eq!(served(&mut order, at(0)), ["first", "second", "third"]);
}

#[test]
fn a_lane_that_cannot_be_served_holds_up_nobody_else() {
    let mut order = Order::new(AGEING);
    order.push("me", Urgent, 0, at(0), "blocked");
    order.push("me", Urgent, 0, at(0), "blocked too");
    order.push("me", Low, 1, at(0), "free");
    assert_eq!(next(&mut order, at(0), &[0]), Some("free"));
    assert_eq!(next(&mut order, at(0), &[0]), None);
    assert_eq!(served(&mut order, at(0)), ["blocked", "blocked too"]);
}

#[test]
fn a_waiter_that_is_skipped_does_not_block_its_lane() {
    let mut order = Order::new(AGEING);
    order.push("me", Normal, 0, at(0), "picky");
    order.push("me", Normal, 0, at(0), "easy");
    let taken = order.take(at(0), &mut Vec::new(), |_, name| match *name {
        "picky" => Offer::Skipped,
        _ => Offer::Taken(()),
    });
    assert_eq!(taken.map(|(left, ())| left.payload), Some("easy"));
}

#[test]
fn waiting_lifts_by_a_class_each_time_so_that_low_is_served_in_the_end() {
    let mut order = Order::new(AGEING);
    order.push("patient", Low, 0, at(0), "low");
    let mut turns = 0;
    for second in 0.. {
        order.push("pushy", Urgent, 0, at(second), "urgent");
        order.push("pushy", Urgent, 0, at(second), "urgent");
        turns += 1;
        if next(&mut order, at(second), &[]) == Some("low") {
            break;
        }
        assert!(second < 60, "low starves");
    }
    assert!(
        (30..=33).contains(&turns),
        "after three steps of ten seconds, not {turns}"
    );
}

#[test]
fn who_was_lifted_keeps_its_place_by_arrival() {
    let mut order = Order::new(AGEING);
    order.push("me", Low, 0, at(0), "old");
    order.push("me", Normal, 0, at(5), "young");
    assert_eq!(served(&mut order, at(12)), ["old", "young"]);
}

#[test]
fn a_full_queue_makes_room_at_the_cost_of_the_lowest_class_and_the_greediest() {
    let mut order = Order::new(AGEING);
    for name in ["a1", "a2", "a3"] {
        order.push("a", Normal, 0, at(0), name);
    }
    order.push("b", Normal, 0, at(0), "b1");
    order.push("c", Normal, 0, at(0), "c1");
    assert_eq!(
        order.shed("c", Normal).map(|left| left.payload),
        Some("a3"),
        "the latest of the greediest"
    );
    assert_eq!(order.shed("c", Normal), None, "two against one is fair enough");
    order.push("d", High, 0, at(0), "d1");
    assert_eq!(
        order.shed("d", High).map(|left| left.payload),
        Some("a2"),
        "a lower class goes anyway"
    );
    order.push("e", Low, 0, at(0), "e1");
    assert_eq!(order.shed("e", Low), None, "nobody is below low");
}

#[test]
fn who_has_left_is_not_found_again() {
    let mut order = Order::new(AGEING);
    let ticket = order.push("me", Normal, 3, at(0), "gone");
    assert!(order.get(&ticket).is_some());
    assert_eq!(
        order.remove(&ticket).map(|left| (left.payload, left.lane)),
        Some(("gone", 3))
    );
    assert!(order.get(&ticket).is_none());
    assert_eq!(order.remove(&ticket), None);
}

#[derive(Debug, Clone)]
enum Step {
    Push { caller: u8, class: u8, lane: Lane },
    Take { busy: Option<Lane> },
    Remove { which: usize },
    Shed { caller: u8, class: u8 },
    Pass { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8, 0..4_u8, 0..3_usize).prop_map(|(caller, class, lane)| Step::Push { caller, class, lane }),
        3 => proptest::option::of(0..3_usize).prop_map(|busy| Step::Take { busy }),
        1 => (0..20_usize).prop_map(|which| Step::Remove { which }),
        1 => (0..4_u8, 0..4_u8).prop_map(|(caller, class)| Step::Shed { caller, class }),
        1 => (1..15_u64).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

const CALLERS: [&str; 4] = ["a", "b", "c", "d"];

fn class(index: u8) -> Priority {
    Priority::ALL[usize::from(index)].0
}

proptest! {
    /// Whatever happens, everybody is in the order exactly once until they are taken, removed or shed exactly once.
    #[test]
    fn nobody_is_lost_or_doubled(steps in proptest::collection::vec(step(), 1..120)) {
        let mut order = Order::new(AGEING);
        let mut tickets = HashMap::new();
        let (mut now, mut pushed) = (at(0), 0_u32);
        for step in steps {
            match step {
                Step::Push { caller, class: index, lane } => {
                    pushed += 1;
                    let ticket = order.push(CALLERS[usize::from(caller)], class(index), lane, now, pushed);
                    tickets.insert(pushed, (ticket, lane));
                }
                Step::Take { busy } => {
                    let taken = order.take(now, &mut Vec::new(), |lane, _| match Some(lane) == busy {
                        true => Offer::Blocked,
                        false => Offer::Taken(()),
                    });
                    match taken {
                        Some((left, ())) => {
                            let (_, lane) = tickets.remove(&left.payload).expect("taken twice");
                            prop_assert_eq!(left.lane, lane);
                            prop_assert_ne!(Some(lane), busy);
                        }
                        None => prop_assert!(tickets.values().all(|(_, lane)| Some(*lane) == busy)),
                    }
                }
                Step::Remove { which } => {
                    let who = tickets.keys().copied().nth(which);
                    if let Some((ticket, _)) = who.and_then(|who| tickets.remove(&who)) {
                        prop_assert_eq!(order.remove(&ticket).map(|left| left.payload), who);
                    }
                }
                Step::Shed { caller, class: index } => {
                    if let Some(left) = order.shed(CALLERS[usize::from(caller)], class(index)) {
                        prop_assert!(tickets.remove(&left.payload).is_some());
                    }
                }
                Step::Pass { seconds } => now = now.after(Duration::from_secs(seconds)),
            }
            prop_assert_eq!(order.len(), tickets.len());
            prop_assert_eq!(order.iter().count(), tickets.len());
            for (ticket, _) in tickets.values() {
                prop_assert!(order.get(ticket).is_some());
            }
        }
    }
}
