//! Cancellation: a word, a grace, the drop; and nothing is left behind.

use std::time::Duration;

use futures_util::StreamExt as _;

use super::fixture::{context, hub, instance, method, provider};
use crate::Context;
use crate::provider::ReplyBody;
use crate::testing::HubHarness;

const GRACE: Duration = Duration::from_millis(250);

/// A probe that is waiting, in a task that can be aborted.
async fn waiting(hub: &HubHarness, how: &str, context: Context) -> tokio::task::JoinHandle<()> {
    let client = (**hub).clone();
    let instance = instance(how);
    let task = tokio::spawn(async move {
        let _ = client.probe(&context, &instance).await;
    });
    hub.host()
        .until("the probe to begin", |host| !host.published().is_empty())
        .await;
    task
}

fn kinds(hub: &HubHarness) -> Vec<String> {
    hub.host().published().into_iter().map(|(kind, _)| kind).collect()
}

#[tokio::test(start_paused = true)]
async fn work_that_listens_ends_by_itself_within_the_grace() {
    let hub = hub();
    waiting(&hub, "listens", context()).await.abort();
    hub.host()
        .until("it to notice", |_| kinds(&hub) == ["began", "noticed"])
        .await;
    hub.host().until("the call to end", |_| hub.calls() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_listen_is_dropped_after_the_grace_and_not_before() {
    let hub = hub();
    let task = waiting(&hub, "hangs", context()).await;
    let before = tokio::time::Instant::now();
    task.abort();
    hub.host()
        .until("its guard to be dropped", |_| kinds(&hub) == ["began", "dropped"])
        .await;
    assert!(before.elapsed() >= GRACE, "{:?}", before.elapsed());
    assert_eq!(hub.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_cancels_and_waits_gets_what_the_work_still_says() {
    let hub = hub();
    let context = context();
    let (client, asked) = ((*hub).clone(), context.clone());
    let task = tokio::spawn(async move { client.probe(&asked, &instance("listens")).await });
    hub.host()
        .until("the probe to begin", |host| !host.published().is_empty())
        .await;
    context.cancellation().cancel();
    task.await.unwrap().unwrap();
    assert_eq!(kinds(&hub), ["began", "noticed"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_ends_its_producer() {
    let provider = provider();
    let reply = provider
        .work(&context(), &method("hangs midway", b""))
        .await
        .unwrap();
    let ReplyBody::Stream(mut stream) = reply.body else {
        panic!("a stream was expected")
    };
    assert_eq!(stream.next().await.unwrap().unwrap(), [0].as_slice());
    assert_eq!(provider.calls(), 1, "a call lasts as long as its stream");
    drop(stream);
    provider
        .host()
        .until("its guard to be dropped", |host| !host.published().is_empty())
        .await;
    provider
        .host()
        .until("the call to end", |_| provider.calls() == 0)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_awaited_is_let_go() {
    let hub = hub();
    let (context, instance) = (context(), instance("hangs"));
    let payload = serde_json::to_vec(&instance).unwrap();
    drop(hub.raw().call("probe", &context, payload));
    hub.host().until("the call to end", |_| hub.calls() == 0).await;
}

#[tokio::test]
async fn cancelling_a_call_that_is_over_or_never_was_is_no_trouble() {
    let hub = hub();
    hub.probe(&context(), &instance("fine")).await.unwrap();
    assert_eq!(hub.calls(), 0);
    let cancelled = context();
    cancelled.cancellation().cancel();
    hub.probe(&cancelled, &instance("fine")).await.unwrap();
}
