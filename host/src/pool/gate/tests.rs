use std::sync::atomic::{AtomicU32, Ordering};

use super::{Closed, Gate};

fn open(limit: Option<u32>) -> Gate {
    let gate = Gate::new(Closed::STARTING, limit);
    gate.open(Closed::STARTING);
    gate
}

#[test]
fn no_more_enter_than_the_limit_says() {
    let gate = open(Some(2));
    assert!(gate.enter().is_some() && gate.enter().is_some());
    assert!(gate.enter().is_none());
    gate.leave();
    assert!(gate.enter().is_some());
}

#[test]
fn the_limit_holds_under_races() {
    let gate = open(Some(3));
    let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    if gate.enter().is_some() {
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        gate.leave();
                    }
                }
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 3);
    assert_eq!(gate.read().in_flight, 0);
}

#[test]
fn any_one_reason_keeps_requests_out() {
    let gate = open(None);
    gate.close(Closed::DRAINING);
    gate.close(Closed::RESTING);
    gate.open(Closed::RESTING);
    assert!(gate.enter().is_none());
    gate.open(Closed::DRAINING);
    assert!(gate.enter().is_some());
}

#[test]
fn closing_tells_whether_it_was_news() {
    let gate = open(None);
    assert!(gate.close(Closed::DRAINING));
    assert!(!gate.close(Closed::DRAINING));
    assert!(gate.open(Closed::DRAINING));
    assert!(!gate.open(Closed::DRAINING));
}

#[test]
fn the_last_to_leave_a_drained_instance_knows_it() {
    let gate = open(None);
    gate.enter();
    gate.enter();
    gate.close(Closed::DRAINING);
    let left = [gate.leave(), gate.leave()].map(|now| now.in_flight == 0 && now.closed.has(Closed::DRAINING));
    assert_eq!(left, [false, true]);
}

#[test]
fn a_lower_limit_lets_those_inside_finish() {
    let gate = open(Some(4));
    (0..4).for_each(|_| assert!(gate.enter().is_some()));
    gate.limit(Some(1));
    assert!(gate.read().full());
    for _ in 0..4 {
        gate.leave();
    }
    assert!(gate.enter().is_some() && gate.enter().is_none());
}
