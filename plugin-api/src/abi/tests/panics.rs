//! A panic is a value, wherever it happens, and what panicked goes on working.

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::fixture::{Actor, context, hub, instance, method, provider, read};
use crate::contract::instance::InstanceSettings;
use crate::provider::{Entry, Phase, Request};
use crate::testing::Harness;
use crate::{Error, ErrorCode, Fault};

const HERE: &str = "tests/fixture.rs:";

fn is_panic(error: &Error, saying: &str) {
    assert_eq!(error.code, ErrorCode::PANICKED, "{error:?}");
    assert_eq!(error.fault, Fault::Plugin);
    assert!(error.message.contains(saying), "{}", error.message);
    assert!(
        error.message.contains(HERE),
        "where it happened: {}",
        error.message
    );
}

#[tokio::test]
async fn when_it_is_built() {
    let error = Harness::new()
        .hub::<Actor>(&json!({ "new": "panics" }))
        .map(drop)
        .unwrap_err();
    is_panic(&error, "test panicked in `new`: no hub today");
}

#[tokio::test]
async fn in_a_question_that_is_answered_at_once() {
    let hub = hub();
    let settings = |url: &str| InstanceSettings {
        url: url.into(),
        ..InstanceSettings::default()
    };
    is_panic(
        &hub.adopt(&settings("http://panic")).unwrap_err(),
        "this url again",
    );
    assert_eq!(hub.adopt(&settings("http://gpu1:80")).unwrap().id, "gpu1:80");
    assert_eq!(hub.panics(), 1);
}

#[tokio::test]
async fn in_a_decision() {
    let provider = provider();
    let decide = |name| {
        provider.decide(&Request {
            entry: Entry::Method { name, stream: false },
            headers: &[],
            body: b"",
        })
    };
    is_panic(&decide("panics").unwrap_err(), "undecided");
    decide("anything else").unwrap();
    assert_eq!(provider.panics(), 1);
}

#[tokio::test]
async fn in_rendering() {
    let provider = provider();
    let error = Error::plugin("x");
    is_panic(
        &provider
            .render_error("panics", Phase::Before, &error)
            .unwrap_err(),
        "no words",
    );
    let rendered = provider.render_error("chat", Phase::Streaming, &error).unwrap();
    assert_eq!(rendered.body, "chat Streaming x");
}

#[tokio::test]
async fn in_work_at_its_first_step_and_later() {
    let hub = hub();
    for how in ["panics", "panics late"] {
        let error = hub.probe(&context(), &instance(how)).await.unwrap_err();
        is_panic(&error, "test panicked in `probe`: probed to death");
    }
    assert_eq!(
        hub.panics(),
        2,
        "each counted once, though both hook and answer tell of it"
    );
    assert_eq!(hub.calls(), 0);
    hub.probe(&context(), &instance("fine")).await.unwrap();
}

#[tokio::test]
async fn with_a_payload_that_panics_when_it_is_dropped() {
    let error = hub()
        .probe(&context(), &instance("panics oddly"))
        .await
        .unwrap_err();
    is_panic(&error, "a payload that is not text");
}

#[tokio::test]
async fn in_a_drop_at_the_end_of_the_work() {
    let error = hub()
        .probe(&context(), &instance("ends with a bomb"))
        .await
        .unwrap_err();
    is_panic(&error, "the bomb went off");
}

#[tokio::test]
async fn in_a_drop_on_cancellation() {
    let hub = hub();
    let probe = {
        let (context, bomb) = (context(), instance("hangs with a bomb"));
        let client = (*hub).clone();
        tokio::spawn(async move { client.probe(&context, &bomb).await })
    };
    hub.host()
        .until("the probe to begin", |host| !host.published().is_empty())
        .await;
    probe.abort();
    hub.host()
        .until("the panic to be counted", |_| hub.panics() == 1)
        .await;
    hub.host().until("the call to end", |_| hub.calls() == 0).await;
    hub.probe(&context(), &instance("fine")).await.unwrap();
}

#[tokio::test]
async fn in_a_task_of_its_own_on_its_own_runtime() {
    let hub = Harness::new().workers(1).hub::<Actor>(&json!({})).unwrap();
    hub.probe(&context(), &instance("spawns a panic")).await.unwrap();
    assert_eq!(
        hub.panics(),
        1,
        "nobody awaited it, and the host knows all the same"
    );
    let record = hub.host().logged().remove(0);
    assert!(record.panic);
    assert_eq!(record.message, "far from home");
    assert!(record.location.unwrap().contains(HERE));
}

#[tokio::test]
async fn in_a_stream() {
    let provider = provider();
    let reply = provider
        .work(&context(), &method("panics midway", b""))
        .await
        .unwrap();
    let (bytes, error) = read(reply).await;
    assert_eq!(bytes, [0, 1], "what came before it arrived");
    is_panic(&error.unwrap(), "in the middle");
    assert_eq!(provider.panics(), 1);
}

#[tokio::test]
async fn in_a_verb() {
    let hub = hub();
    let items: Vec<_> = hub
        .control(&context(), "panic".into(), Value::Null, None)
        .collect()
        .await;
    assert_eq!(items.len(), 1);
    is_panic(items[0].as_ref().unwrap_err(), "a verb too many");
}

#[tokio::test]
async fn when_it_is_dropped() {
    let hub = Harness::new()
        .hub::<Actor>(&json!({ "new": "panics later" }))
        .unwrap();
    let host = hub.host().clone();
    drop(hub);
    let record = host.logged().remove(0);
    assert_eq!(record.message, "the hub went off");
}

#[tokio::test]
async fn the_host_is_told_of_it_with_the_request_that_caused_it() {
    let hub = hub();
    let _ = hub.probe(&context(), &instance("panics")).await;
    let record = hub.host().logged().remove(0);
    assert!(record.panic);
    assert_eq!(record.request_id.as_deref(), Some("req-1"));
}
