//! The end of a component: in order, in time, and for good.

use std::time::Duration;

use serde_json::{Value, json};

use super::fixture::{Actor, Player, context, hub, instance, method};
use crate::testing::{Harness, TestHost};
use crate::{ErrorCode, ResourceInstance};

#[tokio::test]
async fn afterwards_every_entry_answers_gone_and_nothing_crashes() {
    let hub = hub();
    hub.shutdown().await;
    let gone = |error: crate::Error| assert_eq!(error.code, ErrorCode::GONE, "{error}");
    gone(hub.probe(&context(), &instance("fine")).await.unwrap_err());
    gone(hub.raw().query("adopt", b"{}").unwrap_err());
    gone(hub.raw().decide(b"", b"").unwrap_err());
    gone(
        hub.raw()
            .open("control", &context(), Vec::new())
            .await
            .map(drop)
            .unwrap_err(),
    );
    hub.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn work_that_listens_may_finish_and_what_hangs_is_dropped() {
    let hub = hub();
    let mut tasks = Vec::new();
    for (how, began) in [("listens", 1), ("hangs", 2)] {
        let client = (*hub).clone();
        tasks.push(tokio::spawn(async move {
            client.probe(&context(), &instance(how)).await
        }));
        hub.host()
            .until("it to begin", |host| host.published().len() == began)
            .await;
    }
    hub.shutdown().await;
    let results = [tasks.remove(0).await.unwrap(), tasks.remove(0).await.unwrap()];
    results[0].as_ref().unwrap();
    assert_eq!(results[1].as_ref().unwrap_err().code, ErrorCode::GONE);
    let kinds: Vec<_> = hub.host().published().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["began", "began", "noticed", "dropped"]);
}

#[tokio::test(start_paused = true)]
async fn leases_that_are_still_held_are_released() {
    let host = TestHost::new().with_instance("hub", ResourceInstance::new("gpu1"));
    let provider = Harness::new().host(&host).provider::<Player>(&json!({})).unwrap();
    let client = (*provider).clone();
    tokio::spawn(async move {
        client
            .work(&context(), &method("leases and hangs", b""))
            .await
            .map(drop)
    });
    host.until("the lease", |host| host.held() == 1).await;
    provider.shutdown().await;
    assert_eq!(host.held(), 0);
}

#[tokio::test]
async fn a_runtime_of_its_own_ends_with_it_and_leaves_no_thread() {
    let name = "short-lived";
    let hub = Harness::new()
        .name(name)
        .workers(2)
        .hub::<Actor>(&json!({}))
        .unwrap();
    hub.probe(&context(), &instance("fine")).await.unwrap();
    assert!(threads() > 0, "it has threads of its own");
    let host = hub.host().clone();
    hub.shutdown().await;
    host.until("its threads to end", |_| threads() == 0).await;

    fn threads() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let named = tasks.filter(|task| {
            let name = task.as_ref().unwrap().path().join("comm");
            std::fs::read_to_string(name).unwrap_or_default().trim() == "plg-short-lived"
        });
        named.count()
    }
}

#[tokio::test]
async fn a_component_that_is_dropped_without_a_word_ends_as_well() {
    let hub = Harness::new().workers(1).hub::<Actor>(&json!({})).unwrap();
    let client = (*hub).clone();
    let probe = tokio::spawn(async move { client.probe(&context(), &instance("hangs")).await });
    let host = hub.host().clone();
    host.until("it to begin", |host| !host.published().is_empty())
        .await;
    probe.abort();
    drop(hub);
    let published = |host: &TestHost| {
        host.published()
            .into_iter()
            .map(|(kind, _)| kind)
            .collect::<Vec<_>>()
    };
    // Its line to the host was closed before its guard could say goodbye; that it may try is what matters.
    tokio::time::timeout(Duration::from_secs(10), async {
        while published(&host).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(published(&host), ["began"]);
    assert_eq!(host.held(), 0);
}

#[tokio::test]
async fn the_hosts_services_answer_gone_to_a_handle_that_outlived_its_component() {
    struct Keeper;
    static KEPT: std::sync::Mutex<Option<crate::Host>> = std::sync::Mutex::new(None);
    impl crate::Provider for Keeper {
        type Config = Value;
        type Error = crate::Error;
        fn new(_config: Value, host: crate::Host) -> Result<Self, crate::Error> {
            *KEPT.lock().unwrap() = Some(host);
            Ok(Self)
        }
        async fn work(
            self: std::sync::Arc<Self>,
            _context: crate::Context,
            _request: crate::provider::OwnedRequest,
        ) -> Result<crate::provider::Reply, crate::Error> {
            Ok(crate::provider::Reply::json(&()))
        }
    }
    let host = TestHost::new().with_secret("key", "sesame");
    let provider = Harness::new().host(&host).provider::<Keeper>(&json!({})).unwrap();
    let kept = KEPT.lock().unwrap().take().unwrap();
    assert_eq!(kept.secret("key").await.unwrap().expose(), "sesame");
    provider.shutdown().await;
    assert_eq!(kept.secret("key").await.unwrap_err().code, ErrorCode::GONE);
    assert_eq!(
        kept.lease(&context(), &Default::default())
            .await
            .unwrap_err()
            .code,
        ErrorCode::GONE
    );
    kept.publish("late", Value::Null);
    assert_eq!(host.published(), []);
    drop(provider);
    assert_eq!(kept.secret("key").await.unwrap_err().code, ErrorCode::GONE);
}
