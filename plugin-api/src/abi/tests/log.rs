//! A plugin's events reach the host, with where and for whom they happened.

use serde_json::json;
use tracing_subscriber::layer::SubscriberExt as _;

use super::fixture::{Actor, context, instance};
use crate::abi::component::trace::{Bridge, open_to};
use crate::testing::{Event, Harness};

#[tokio::test]
async fn an_event_arrives_with_its_fields_its_spans_and_its_request() {
    open_to(3);
    let subscriber = tracing_subscriber::registry().with(Bridge);
    let _here = tracing::subscriber::set_default(subscriber);
    let hub = Harness::new().log_level("info").hub::<Actor>(&json!({})).unwrap();
    let mut context = context();
    context.traceparent = Some("00-1-2-01".into());
    hub.probe(&context, &instance("logs")).await.unwrap();
    let logged: Vec<_> = hub
        .host()
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Logged {
                level,
                target,
                record,
            } => Some((level, target, record)),
            _ => None,
        })
        .collect();
    let (level, target, record) = &logged[0];
    assert_eq!(*level, tracing::Level::INFO);
    assert!(target.ends_with("abi::tests::fixture"), "{target}");
    assert_eq!(record.message, "hello");
    assert_eq!(json!(record.fields), json!({ "n": 7, "ok": true, "text": "a" }));
    assert_eq!(record.spans, [r#"outer{who="me"}"#]);
    assert_eq!(record.request_id.as_deref(), Some("req-1"));
    assert_eq!(record.traceparent.as_deref(), Some("00-1-2-01"));
    assert!(record.location.as_ref().unwrap().contains("fixture.rs:"));
    assert_eq!(
        logged.len(),
        1,
        "what is more detailed than anybody wants stays where it is"
    );
}
