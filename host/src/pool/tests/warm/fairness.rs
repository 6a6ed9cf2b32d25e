//! One caller's wishes and the others' resources.

use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;

use super::{Warm, settings, spec, wants, warm};
use crate::pool::testing::{idle, pass};

/// A request for a kind of its own, answered and over.
async fn makes_up(warm: &Warm, who: &'static str, number: usize) {
    warm.lease(who, &format!("{who}{number}"))
        .await
        .finish(Outcome::Success);
    pass(1.0).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_was_asked_for_once_is_not_stocked() {
    let warm = warm(settings(1, 8)).await;
    for number in 0..4 {
        makes_up(&warm, "a", number).await;
    }
    pass(60.0).await;
    assert_eq!((warm.engine.started(), warm.total()), (4, 4));
    assert!(warm.shelf("a0").is_some_and(|shelf| shelf.target == 0));
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_asked_for_again_is_stocked_until_it_is_not() {
    let warm = warm(settings(1, 8)).await;
    for who in ["a", "b"] {
        warm.lease(who, "x").await.finish(Outcome::Success);
        pass(100.0).await;
    }
    assert_eq!(warm.shelf("x").unwrap().unused, 1);
    // From here on somebody comes back to its own only.
    for _ in 0..10 {
        warm.lease("a", "x").await.finish(Outcome::Success);
        pass(100.0).await;
    }
    assert_eq!(
        (warm.shelf("x").unwrap().unused, warm.shelf("x").unwrap().idle),
        (0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn of_one_callers_kinds_only_the_last_are_stocked() {
    let warm = warm(settings(1, 16)).await;
    let once = |kind: &str| Requirement {
        max_uses: Some(1),
        ..wants(kind)
    };
    let kinds = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];
    for kind in kinds {
        for _ in 0..2 {
            warm.ask("a", once(kind)).await.unwrap().finish(Outcome::Success);
        }
    }
    let stocked = |warm: &Warm| {
        let unused = |kind: &&str| warm.shelf(kind).is_some_and(|shelf| shelf.unused > 0);
        kinds.iter().filter(|kind| unused(kind)).count()
    };
    // All that was stocked so far goes; then a quarter of the seats is made up for.
    warm.fleet.pool.set_warm_bounds(1, 0);
    idle().await;
    assert_eq!(warm.total(), 0);
    warm.fleet.pool.set_warm_bounds(1, 16);
    pass(1.0).await;
    assert_eq!(stocked(&warm), 4);
    assert!(warm.shelf("k7").unwrap().unused > 0 && warm.shelf("k0").unwrap().unused == 0);
}

#[tokio::test(start_paused = true)]
async fn who_makes_up_ever_new_kinds_takes_nothing_from_the_others() {
    let warm = warm(settings(1, 6)).await;
    let _kept = warm.keep("common");
    warm.lease("modest", "own").await.finish(Outcome::Success);
    pass(1.0).await;
    for number in 0..30 {
        makes_up(&warm, "greedy", number).await;
    }
    assert_eq!(
        warm.engine.running_of(&spec("own")),
        1,
        "the oldest, and not greedy's"
    );
    assert_eq!(warm.engine.running_of(&spec("common")), 1);
    let again = warm.at_once("modest", "own").unwrap();
    assert_eq!(again.uses(), 2);
    assert!(warm.at_once("anybody", "common").is_ok());
    assert_eq!(warm.engine.most(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_kept_ready_makes_room_last_but_does() {
    let warm = warm(settings(1, 2)).await;
    let _kept = warm.keep("common");
    pass(1.0).await;
    let mine = warm.lease("a", "x").await;
    let asked = tokio::time::Instant::now();
    let other = warm.lease("b", "y").await;
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "a request goes before a reserve"
    );
    assert_eq!(warm.engine.running_of(&spec("common")), 0);
    drop((mine, other));
    pass(1.0).await;
    assert_eq!(warm.engine.running_of(&spec("common")), 1);
}

#[tokio::test(start_paused = true)]
async fn among_equals_the_longest_idle_makes_room() {
    let warm = warm(settings(0, 3)).await;
    for (who, kind) in [("a", "x"), ("b", "y"), ("c", "z")] {
        warm.lease(who, kind).await.finish(Outcome::Success);
        pass(1.0).await;
    }
    drop(warm.lease("d", "new").await);
    let left = ["x", "y", "z"].map(|kind| warm.engine.running_of(&spec(kind)));
    assert_eq!(left, [0, 1, 1]);
}
