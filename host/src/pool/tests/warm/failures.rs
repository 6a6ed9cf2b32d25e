//! What happens when a resource cannot be started or stopped.

use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;
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

fn no_image() -> Error {
    Error::new(ErrorCode::CONFIGURATION, Fault::Host, "there is no such image").hint("pull it")
}

fn patient(seconds: f64) -> Requirement {
    Requirement {
        queue_timeout: Some(Duration::from_secs_f64(seconds)),
        ..wants("x")
    }
}

#[tokio::test(start_paused = true)]
async fn what_waiting_does_not_cure_is_told_at_once() {
    let warm = warm(settings(1, 8)).await;
    warm.engine.fails(&spec("x"), Some(no_image()));
    let asked = tokio::time::Instant::now();
    let error = error(warm.ask("a", wants("x")).await.unwrap_err());
    assert!(
        asked.elapsed() < Duration::from_millis(200),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!((error.code, error.fault), (ErrorCode::CONFIGURATION, Fault::Host));
    assert_eq!(error.hint.as_deref(), Some("pull it"));
    assert!(matches!(error.retry, Retry::After(_)));
    assert_eq!(warm.total(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_served_once_the_engine_is_back() {
    let warm = warm(settings(0, 8)).await;
    warm.engine.fails(&spec("x"), Some(no_engine()));
    let early = warm.asks("a", wants("x"));
    pass(2.0).await;
    // Within a pause, when nothing is being started.
    let late = warm.asks("b", wants("x"));
    pass(3.0).await;
    assert!(!early.is_finished() && !late.is_finished());
    warm.engine.fails(&spec("x"), None);
    let back = tokio::time::Instant::now();
    early.await.unwrap().unwrap().finish(Outcome::Success);
    late.await.unwrap().unwrap();
    assert!(back.elapsed() < Duration::from_secs(9), "{:?}", back.elapsed());
    assert_eq!(warm.shelf("x").unwrap().error, None);
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_told_why() {
    let warm = warm(settings(0, 8)).await;
    warm.engine.fails(&spec("x"), Some(no_engine()));
    // It is tried after 1 and 2 seconds; the deadline passes while it is tried for the third time.
    let asked = tokio::time::Instant::now();
    let error = error(warm.ask("a", patient(3.25)).await.unwrap_err());
    assert_eq!(asked.elapsed(), Duration::from_millis(3250));
    assert_eq!(
        error.message,
        "none could be started within 3s 250ms; the last failure: no engine"
    );
    assert_eq!(
        (error.code, error.hint.as_deref()),
        (ErrorCode::CONNECTION_FAILED, Some("start it"))
    );
}

#[tokio::test(start_paused = true)]
async fn who_would_be_gone_before_the_next_try_is_told_at_once() {
    let warm = warm(settings(0, 8)).await;
    warm.engine.fails(&spec("x"), Some(no_engine()));
    let asked = tokio::time::Instant::now();
    let error = error(warm.ask("a", patient(0.5)).await.unwrap_err());
    assert!(
        asked.elapsed() < Duration::from_millis(200),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(
        (error.message.as_str(), error.fault),
        ("no engine", Fault::Instance)
    );
    assert!(matches!(error.retry, Retry::After(_)));
}

#[tokio::test(start_paused = true)]
async fn who_would_be_gone_before_the_hub_tries_again_is_told_at_once_and_for_how_long() {
    let warm = warm(settings(0, 8)).await;
    let rest = Duration::from_secs(300);
    let pull =
        Error::instance(ErrorCode::UPSTREAM_ERROR, "it is tried again in 5m").retry(Retry::After(rest));
    warm.engine.fails(&spec("x"), Some(pull));
    let asked = tokio::time::Instant::now();
    let told = error(warm.ask("a", patient(30.0)).await.unwrap_err());
    assert!(
        asked.elapsed() < Duration::from_millis(200),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(told.retry, Retry::After(rest));
    // And so is who comes while it rests.
    pass(0.5).await;
    let told = error(warm.ask("b", patient(30.0)).await.unwrap_err());
    assert_eq!(
        (warm.engine.started(), told.message.as_str()),
        (1, "it is tried again in 5m")
    );
    assert!(told.retry_after().unwrap() > rest - Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_seat_in_vain_is_not_told_of_failures_from_before() {
    let warm = warm(settings(0, 1)).await;
    warm.engine.fails(&spec("x"), Some(no_engine()));
    error(warm.ask("a", patient(0.5)).await.unwrap_err());
    warm.engine.fails(&spec("x"), None);
    let held = warm.lease("b", "y").await;
    pass(20.0).await;
    let refusal = warm.ask("a", patient(3.0)).await.unwrap_err();
    assert!(
        matches!(refusal, Refusal::QueueTimeout { waited } if waited.as_secs() == 3),
        "{refusal:?}"
    );
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn one_is_tried_for_all_who_wait_and_nothing_is_hammered() {
    let warm = warm(settings(1, 8)).await;
    warm.engine.fails(&spec("x"), Some(no_engine()));
    let waiting: Vec<_> = (0..20).map(|_| warm.asks("a", wants("x"))).collect();
    pass(0.5).await;
    let at_first = warm.engine.started();
    pass(54.0).await;
    // 1, 2, 4, 8 and from then on 10 seconds apart.
    let later = warm.engine.started() - at_first;
    assert!((6..=9).contains(&later), "{later}");
    warm.engine.fails(&spec("x"), None);
    pass(0.5).await;
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
}

#[tokio::test(start_paused = true)]
async fn when_the_pause_is_over_the_next_request_has_it_tried_again() {
    let warm = warm(settings(0, 8)).await;
    warm.engine.fails(&spec("x"), Some(no_image()));
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
    for kind in ["bad", "worse"] {
        warm.engine.fails(&spec(kind), Some(no_engine()));
    }
    let waiting = [warm.asks("a", wants("bad")), warm.asks("b", wants("worse"))];
    pass(4.0).await;
    let asked = tokio::time::Instant::now();
    warm.lease("a", "good").await.finish(Outcome::Success);
    assert!(
        asked.elapsed() < Duration::from_millis(150),
        "{:?}",
        asked.elapsed()
    );
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
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
    let error = error(warm.ask("a", patient(10.5)).await.unwrap_err());
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
