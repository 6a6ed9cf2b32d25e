//! Streams arrive whole and in order, or say that they did not.

use futures_util::StreamExt as _;
use serde_json::json;

use super::fixture::{context, hub, method, provider, read};
use crate::abi::shared::stream::{channel, next, raw};
use crate::abi::shared::task::AbortOnDrop;
use crate::abi::wire::hub::ControlItem;
use crate::provider::{OwnedEntry, OwnedRequest};
use crate::{Error, ErrorCode};

#[tokio::test]
async fn an_answer_at_once_needs_no_stream() {
    let provider = provider();
    let reply = provider
        .work(&context(), &method("echoes", b"\x00raw\xff bytes"))
        .await
        .unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.headers,
        [("content-type".to_owned(), "text/plain".to_owned())]
    );
    assert_eq!(read(reply).await.0, b"\x00raw\xff bytes");
    assert_eq!(provider.calls(), 0);
}

#[tokio::test]
async fn a_route_arrives_with_all_its_parts() {
    let request = OwnedRequest {
        entry: OwnedEntry::Route {
            id: "chat".into(),
            method: "POST".into(),
            path: "/api/chat".into(),
            query: Some("a=b".into()),
        },
        headers: vec![("accept".into(), "text/plain".into())],
        body: "hello".into(),
    };
    let reply = provider().work(&context(), &request).await.unwrap();
    assert_eq!(read(reply).await.0, b"hello");
}

#[tokio::test]
async fn a_stream_arrives_in_order_and_ends() {
    let provider = provider();
    let reply = provider.work(&context(), &method("streams", b"")).await.unwrap();
    let (bytes, error) = read(reply).await;
    assert_eq!(bytes, [0, 1, 2]);
    assert_eq!(error, None);
    provider
        .host()
        .until("the call to end", |_| provider.calls() == 0)
        .await;
}

#[tokio::test]
async fn a_stream_that_fails_says_so_once_and_is_over() {
    let provider = provider();
    let reply = provider.work(&context(), &method("breaks", b"")).await.unwrap();
    let (bytes, error) = read(reply).await;
    assert_eq!(bytes, [0, 1]);
    assert_eq!(error.unwrap().message, "it broke");
}

#[tokio::test]
async fn a_producer_that_vanishes_does_not_pass_for_one_that_has_finished() {
    let (producer, reader) = channel();
    producer.send(Ok("all I know".into())).await;
    drop(producer);
    let task = tokio::spawn(std::future::pending::<()>());
    let mut stream = raw(reader, AbortOnDrop::new(task));
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), "all I know");
    let error: Error = next(&mut stream).await.unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::STREAM_BROKEN);
    assert!(next(&mut stream).await.is_none());
}

#[tokio::test]
async fn progress_comes_before_the_result_and_the_result_comes_last() {
    let hub = hub();
    let arguments = json!({ "to": 3 });
    let items: Vec<_> = hub
        .control(&context(), "count".into(), arguments, None)
        .map(Result::unwrap)
        .collect()
        .await;
    let progress = |n: u64| ControlItem::Progress(json!({ "completed": n }));
    let result = ControlItem::Result(json!("counted"));
    assert_eq!(items, [progress(0), progress(1), progress(2), result]);
}

#[tokio::test]
async fn a_verb_that_is_not_known_is_one_error() {
    let items: Vec<_> = hub()
        .control(&context(), "fly".into(), json!({}), None)
        .collect()
        .await;
    assert_eq!(items.len(), 1);
    assert_eq!(
        items[0].as_ref().unwrap_err().code,
        ErrorCode::METHOD_NOT_SUPPORTED
    );
}
