//! Errors keep everything they say, and those of a newer peer are read as far as we can.

use std::time::Duration;

use serde_json::json;

use super::fixture::{Actor, context, hub, instance};
use crate::abi::raw::AbiError;
use crate::testing::Harness;
use crate::{Error, ErrorCode, Fault, Retry};

#[test]
fn every_field_arrives() {
    let error = Error::new(ErrorCode::OVERLOADED, Fault::Instance, "gpu1 needs a rest")
        .retry(Retry::After(Duration::from_millis(1500)))
        .hint("ask another")
        .detail("instance", "gpu1")
        .detail("queue", json!({ "depth": 3 }))
        .status(429);
    assert_eq!(Error::from(AbiError::from(error.clone())), error);
}

#[test]
fn a_code_and_words_that_we_do_not_know_lose_nothing_else() {
    let json = json!({
        "code": -31999, "fault": "weather", "retry": "someday", "message": "it rained", "hint": "an umbrella",
        "details": { "mm": 12 }, "status": 503, "season": "autumn",
    });
    let error = Error::from(AbiError {
        code: -31999,
        json: serde_json::to_vec(&json).unwrap().into(),
    });
    assert_eq!(error.code, ErrorCode(-31999));
    assert_eq!(error.code.name(), None);
    assert_eq!(
        error.fault,
        Fault::Plugin,
        "a fault we do not know is not laid at the client's door"
    );
    assert_eq!(error.retry, Retry::Never);
    assert_eq!(error.message, "it rained");
    assert_eq!(error.hint.as_deref(), Some("an umbrella"));
    assert_eq!(error.details["mm"], 12);
    assert_eq!(error.http_status(), 503);
}

#[test]
fn an_error_that_cannot_be_read_at_all_is_still_one() {
    let error = Error::from(AbiError {
        code: -30006,
        json: b"\xff\xfe".as_slice().into(),
    });
    assert_eq!(error.code, ErrorCode::TIMEOUT);
    assert!(error.message.contains("-30006"), "{}", error.message);
}

#[tokio::test]
async fn the_authors_error_is_what_the_host_sees() {
    let error = hub().probe(&context(), &instance("fails")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::UPSTREAM_ERROR);
    assert_eq!(error.fault, Fault::Instance);
    assert_eq!(error.retry, Retry::Now);
    let error = Harness::new()
        .hub::<Actor>(&json!({ "new": "fails" }))
        .map(drop)
        .unwrap_err();
    assert_eq!(error.hint.as_deref(), Some("come back tomorrow"));
}

#[tokio::test]
async fn a_configuration_that_does_not_fit_says_what_and_where() {
    let error = Harness::new()
        .hub::<Actor>(&json!({ "nwe": "x" }))
        .map(drop)
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::CONFIGURATION);
    assert!(error.message.contains("nwe"), "{}", error.message);
}

#[tokio::test]
async fn an_operation_or_a_message_that_is_not_known_is_refused() {
    let hub = hub();
    let unknown = |error: Error| assert_eq!(error.code, ErrorCode::METHOD_NOT_SUPPORTED);
    let garbled = |error: Error| assert_eq!(error.code, ErrorCode::VERSION_MISMATCH);
    unknown(hub.raw().query("levitate", b"").unwrap_err());
    unknown(
        hub.raw()
            .call("levitate", &context(), Vec::new())
            .await
            .unwrap_err(),
    );
    unknown(
        hub.raw()
            .open("levitate", &context(), Vec::new())
            .await
            .map(drop)
            .unwrap_err(),
    );
    unknown(hub.raw().decide(b"", b"").unwrap_err());
    garbled(hub.raw().query("adopt", b"\xff").unwrap_err());
    garbled(
        hub.raw()
            .call("probe", &context(), b"[]".to_vec())
            .await
            .unwrap_err(),
    );
    assert!(!hub.raw().has_extension("core.levitation/1"));
    assert_eq!(hub.panics(), 0);
}
