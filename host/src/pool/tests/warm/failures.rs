//! What happens when a resource cannot be started or stopped.

use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::{Error, ErrorCode, Fault, Retry};

use super::{settings, spec, wants, warm};
use crate::config::settings::WarmSettings;
use crate::pool::Refusal;
use crate::pool::testing::{idle, pass};

fn no_engine() -> Error {
    Error::instance(ErrorCode::CONNECTION_FAILED, "no engine").hint("start it")
}

fn error(refusal: Refusal) -> Error {
    assert!(matches!(refusal, Refusal::NotStarted(_)), "{refusal:?}");
    refusal.into()
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_gets_the_hubs_own_error_at_once() {
    let warm = warm(settings(1, 8)).await;
    warm.engine.fails(&spec("x"), Some(no_engine()));
    let asked = tokio::time::Instant::now();
    let error = error(warm.ask("a", wants("x")).await.unwrap_err());
    assert!(
        asked.elapsed() < Duration::from_millis(200),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(
        (error.code, error.fault),
        (ErrorCode::CONNECTION_FAILED, Fault::Instance)
    );
    assert_eq!(error.hint.as_deref(), Some("start it"));
    assert!(matches!(error.retry, Retry::After(_)));
    assert_eq!(warm.total(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_starts_fail_nobody_waits_and_nothing_is_hammered() {
    let warm = warm(settings(1, 8)).await;
    warm.engine.fails(&spec("x"), Some(no_engine()));
    for _ in 0..120 {
        error(warm.ask("a", wants("x")).await.unwrap_err());
        pass(1.0).await;
    }
    // 1, 2, 4, 8, 16, 32 and 60 seconds apart.
    assert!(
        (6..=9).contains(&warm.engine.started()),
        "{}",
        warm.engine.started()
    );
}

#[tokio::test(start_paused = true)]
async fn when_the_pause_is_over_the_next_request_has_it_tried_again() {
    let warm = warm(settings(0, 8)).await;
    warm.engine.fails(&spec("x"), Some(no_engine()));
    error(warm.ask("a", wants("x")).await.unwrap_err());
    warm.engine.fails(&spec("x"), None);
    error(warm.ask("a", wants("x")).await.unwrap_err());
    pass(1.2).await;
    warm.lease("a", "x").await.finish(Outcome::Success);
    assert_eq!(warm.shelf("x").unwrap().error, None);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_cannot_be_started_is_no_concern_of_others() {
    let warm = warm(settings(1, 2)).await;
    warm.engine.fails(&spec("bad"), Some(no_engine()));
    error(warm.ask("a", wants("bad")).await.unwrap_err());
    let asked = tokio::time::Instant::now();
    warm.lease("a", "good").await.finish(Outcome::Success);
    assert!(
        asked.elapsed() < Duration::from_millis(150),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_specification_is_told_as_it_is_and_never_tried_ahead_of_need() {
    let warm = warm(settings(1, 8)).await;
    let wrong = Error::not_found("no image `bad`").hint("pull it");
    warm.engine.fails(&spec("bad"), Some(wrong.clone()));
    assert_eq!(error(warm.ask("a", wants("bad")).await.unwrap_err()), wrong);
    pass(200.0).await;
    assert_eq!(warm.engine.started(), 1);
    warm.engine.fails(&spec("bad"), None);
    warm.lease("a", "bad").await.finish(Outcome::Success);
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_may_still_get_what_others_are_having_started() {
    let warm = warm(settings(0, 8)).await;
    let first = warm.asks("a", wants("x"));
    pass(0.05).await;
    let second = warm.asks("b", wants("x"));
    idle().await;
    // The first start fails; the second, which is still under way, does not.
    warm.engine.fails(&spec("x"), Some(no_engine()));
    pass(0.06).await;
    warm.engine.fails(&spec("x"), None);
    assert!(!first.is_finished() && !second.is_finished());
    pass(0.05).await;
    first.await.unwrap().unwrap().finish(Outcome::Success);
    // A start has succeeded, so the other's turn has come as well.
    second.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_start_that_takes_too_long_is_given_up() {
    let warm = warm(WarmSettings {
        start_timeout: Duration::from_secs(10),
        ..settings(0, 8)
    })
    .await;
    warm.engine.takes(|takes| takes.start = Duration::from_secs(3600));
    let error = error(warm.ask("a", wants("x")).await.unwrap_err());
    assert_eq!(error.code, ErrorCode::TIMEOUT);
    assert_eq!((warm.engine.present(), warm.total()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_fails_is_tried_again_and_keeps_its_seat_until_then() {
    let warm = warm(settings(0, 1)).await;
    warm.engine.stops_fail(1);
    drop(warm.lease("a", "x").await);
    idle().await;
    assert_eq!((warm.engine.present(), warm.total()), (1, 1));
    pass(1.1).await;
    assert_eq!((warm.engine.present(), warm.total()), (0, 0));
    assert_eq!(warm.engine.most(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_taken_is_a_failure_and_not_a_second_instance() {
    let warm = warm(settings(0, 8)).await;
    let held = warm.lease("a", "x").await;
    warm.engine.calls_the_next("w1");
    let error = error(warm.ask("b", wants("y")).await.unwrap_err());
    assert!(error.message.contains("instance of this id already"), "{error}");
    drop(held);
}
