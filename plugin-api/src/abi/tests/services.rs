//! The host's services, asked over the boundary.

use bytes::Bytes;
use serde_json::json;

use super::fixture::{Player, context, method, read};
use crate::contract::outcome::Outcome;
use crate::testing::{Answer, Harness, ProviderHarness, TestHost};
use crate::{Error, ErrorCode, ResourceInstance};

fn on(host: &TestHost) -> ProviderHarness {
    Harness::new().host(host).provider::<Player>(&json!({})).unwrap()
}

fn gpu1() -> ResourceInstance {
    let mut instance = ResourceInstance::new("gpu1");
    instance.dialects = vec!["b".into()];
    instance
}

async fn answer(host: &TestHost, name: &str) -> (Vec<u8>, Option<Error>) {
    read(on(host).work(&context(), &method(name, b"second")).await.unwrap()).await
}

#[tokio::test]
async fn a_lease_is_granted_and_ends_as_the_plugin_says() {
    let host = TestHost::new().with_instance("hub", gpu1());
    assert_eq!(answer(&host, "leases").await.0, br#""gpu1""#);
    assert_eq!(host.outcomes(), [Outcome::Success]);
    assert_eq!(host.held(), 0);
}

#[tokio::test]
async fn a_refusal_arrives_as_it_was_meant() {
    let error = on(&TestHost::new())
        .work(&context(), &method("leases", b""))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::NOT_AVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn work_that_is_cancelled_gives_its_lease_back() {
    let host = TestHost::new().with_instance("hub", gpu1());
    let provider = on(&host);
    let client = (*provider).clone();
    let task = tokio::spawn(async move {
        client
            .work(&context(), &method("leases and hangs", b""))
            .await
            .map(drop)
    });
    host.until("the lease", |host| host.held() == 1).await;
    task.abort();
    host.until("its end", |host| host.held() == 0).await;
    assert_eq!(host.outcomes(), [Outcome::Cancelled]);
}

#[tokio::test]
async fn other_providers_methods_can_be_called_and_streamed() {
    let host = TestHost::new()
        .on_call("other/method", |params| Ok(json!({ "got": params })))
        .on_open("other/method", |_| Ok(vec![json!(1), json!(2)]));
    assert_eq!(answer(&host, "calls").await.0, br#"{"got":{"n":1}}"#);
    assert_eq!(answer(&host, "opens").await.0, b"12");
}

#[tokio::test]
async fn a_request_is_forwarded_with_every_body_in_its_place() {
    let host = TestHost::new()
        .with_instance("hub", gpu1())
        .on_forward(|_| Ok(Answer::stream(["x", "y"]).then_breaks(Error::plugin("cut"))));
    let reply = on(&host)
        .work(&context(), &method("forwards", b"second"))
        .await
        .unwrap();
    assert_eq!(reply.headers[0].1, "gpu1 in b");
    let (bytes, error) = read(reply).await;
    assert_eq!(bytes, b"xy");
    assert_eq!(error.unwrap().message, "cut");
    let bodies: Vec<Bytes> = host.forwarded()[0]
        .variants
        .iter()
        .map(|variant| variant.body.clone())
        .collect();
    assert_eq!(bodies, ["first", "second"]);
}

#[tokio::test]
async fn secrets_and_instances_can_be_asked_for() {
    let host = TestHost::new()
        .with_instance("hub", gpu1())
        .with_secret("key", "sesame");
    assert_eq!(answer(&host, "tells a secret").await.0, br#""sesame""#);
    assert_eq!(answer(&host, "lists").await.0, b"1");
}

#[tokio::test]
async fn a_service_of_the_host_that_panics_is_an_error_of_the_host() {
    let host = TestHost::new().on_call("other/method", |_| panic!("the host's own fault"));
    let error = on(&host)
        .work(&context(), &method("calls", b""))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::INTERNAL_ERROR);
    assert!(
        error.message.contains("the host's own fault"),
        "{}",
        error.message
    );
}
