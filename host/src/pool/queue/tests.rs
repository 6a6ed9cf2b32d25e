use plugin_api::contract::requirement::Requirement;
use tokio::sync::oneshot;

use super::Waiting;
use crate::pool::Tried;
use crate::pool::testing::{Fleet, fleet};

fn line_up(fleet: &Fleet) -> Waiting {
    let core = &fleet.pool.core;
    let until = core.clock.now().after(core.patience());
    core.line_up(&Requirement::default(), "me", &Tried::NONE, until, None, true)
        .unwrap()
}

/// On another thread, a waiter is being dropped: it does not listen any more and still stands in the line.
fn stop_listening(waiting: &mut Waiting) {
    waiting.answer = oneshot::channel().1;
}

#[tokio::test(start_paused = true)]
async fn an_instance_granted_to_a_waiter_that_has_just_gone_is_granted_to_the_next() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let held = fleet.take();
    let mut waiters = [line_up(&fleet), line_up(&fleet), line_up(&fleet)];
    stop_listening(&mut waiters[0]);
    stop_listening(&mut waiters[1]);
    drop(held);
    let lease = waiters[2].try_answer().expect("both before it are gone").unwrap();
    assert_eq!(fleet.in_flight(), 1);
    drop(lease);
    drop(waiters);
    assert_eq!((fleet.in_flight(), fleet.pool.queue_depth()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_nobody_takes_leaves_no_trace() {
    let fleet = fleet(&["a"]).limit(1).start().await;
    let held = fleet.take();
    let mut gone = line_up(&fleet);
    stop_listening(&mut gone);
    drop(held);
    assert_eq!(fleet.in_flight(), 0);
    assert_eq!(
        fleet.status("a").metrics.outcomes.total(),
        1,
        "the one that was held"
    );
}
