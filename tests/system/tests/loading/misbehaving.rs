//! A plugin that panics, entry by entry: each is an error of that call, and the host goes on.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use gleitzeit::config::settings::{HubBinding, HubSettings, ProviderSettings};
use gleitzeit::plugin::Library;
use gleitzeit::plugin::driver::{HubDriver, ProviderDriver};
use plugin_api::contract::instance::InstanceSettings;
use plugin_api::provider::{Entry, OwnedEntry, OwnedRequest, Phase, ReplyBody, Request};
use plugin_api::{Context, Error, ErrorCode, Fault, ResourceInstance};
use serde_json::{Map, Value, json};
use system::plugins::plugin;

use crate::elf::Elf;
use crate::services::nothing;
use crate::yard::Yard;

/// Long enough for anything that comes back at all.
const PATIENCE: Duration = Duration::from_secs(60);

async fn library(yard: &Yard) -> Arc<Library> {
    yard.drop_in("a.so", &Elf::of(&plugin("zoo-misbehaves")).0);
    yard.load("zoo-misbehaves").await.unwrap()
}

fn trouble(entry: &str, kind: &str) -> Map<String, Value> {
    let mut config = Map::new();
    config.insert("trouble".to_owned(), json!({ entry: kind }));
    config
}

async fn hub(library: &Library, entry: &str, kind: &str) -> Arc<dyn HubDriver> {
    let settings = HubSettings {
        config: trouble(entry, kind),
        ..HubSettings::new("troubled", "zoo-misbehaves")
    };
    library.hub(&settings, nothing()).await.unwrap()
}

async fn provider(library: &Library, entry: &str, kind: &str) -> Arc<dyn ProviderDriver> {
    let settings = ProviderSettings {
        name: "troubled".to_owned(),
        plugin: "zoo-misbehaves".to_owned(),
        hubs: HubBinding::ByManifest,
        config: trouble(entry, kind),
    };
    library.provider(&settings, nothing()).await.unwrap()
}

fn context() -> Context {
    Context::background("test")
}

fn instance() -> Arc<ResourceInstance> {
    Arc::new(ResourceInstance::new("one"))
}

/// Calls one entry of a hub.
async fn call(hub: &dyn HubDriver, entry: &str) -> Result<(), Error> {
    match entry {
        "adopt" => {
            let settings = InstanceSettings {
                url: "http://127.0.0.1:1".to_owned(),
                ..InstanceSettings::default()
            };
            hub.adopt(settings).await.map(drop)
        }
        "discover" => hub.discover(context()).await.map(drop),
        "probe" => hub.probe(context(), instance()).await.map(drop),
        "refresh" => hub.refresh(context(), instance()).await.map(drop),
        "prepare" => hub.prepare(context(), instance(), "model".to_owned(), None).await,
        "start" => hub.start(context(), Value::Null).await.map(drop),
        "stop" => hub.stop(context(), instance()).await,
        "reset" => hub.reset(context(), instance()).await,
        "control" => {
            let items = hub.control(context(), "make".to_owned(), Value::Null, None);
            let items: Vec<_> = items.collect().await;
            items.into_iter().collect::<Result<Vec<_>, _>>().map(drop)
        }
        other => panic!("{other} is no entry of a hub"),
    }
}

const HUB_ENTRIES: [&str; 9] = [
    "adopt", "discover", "probe", "refresh", "prepare", "start", "stop", "reset", "control",
];

/// What went wrong is told as a caught panic of the plugin, with what it said and where.
#[track_caller]
fn assert_panicked(error: &Error, entry: &str) {
    assert_eq!(error.code, ErrorCode::PANICKED, "{entry}: {error}");
    assert_eq!(error.fault, Fault::Plugin, "{entry}: {error}");
    let text = serde_json::to_string(error).unwrap();
    assert!(text.contains(&format!("on purpose in {entry}")), "{text}");
    assert!(text.contains("trouble.rs:"), "{text}");
}

#[tokio::test]
async fn a_panic_in_any_entry_of_a_hub_is_an_error_of_that_call() {
    let yard = Yard::new();
    let library = library(&yard).await;
    for entry in HUB_ENTRIES {
        let hub = hub(&library, entry, "panic").await;
        for other in HUB_ENTRIES {
            let result = call(&*hub, other).await;
            match result {
                Err(error) if other == entry => assert_panicked(&error, entry),
                result => assert!(
                    other != entry && result.is_ok(),
                    "{other} after {entry}: {result:?}"
                ),
            }
        }
        assert_eq!(hub.panics(), 1, "{entry}");
        hub.shutdown().await;
    }
}

#[tokio::test]
async fn a_panic_whose_payload_panics_again_is_contained_in_any_entry() {
    let yard = Yard::new();
    let library = library(&yard).await;
    for entry in HUB_ENTRIES {
        let hub = hub(&library, entry, "panic_twice").await;
        let error = call(&*hub, entry).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PANICKED, "{entry}: {error}");
    }
}

#[tokio::test]
async fn a_panic_while_a_component_is_dropped_is_nobodys_end() {
    let yard = Yard::new();
    let library = library(&yard).await;
    for kind in ["panic", "panic_twice"] {
        let hub = hub(&library, "drop", kind).await;
        hub.shutdown().await;
        drop(hub);
        let provider = provider(&library, "drop", kind).await;
        drop(provider);
    }
    let hub = hub(&library, "nowhere", "panic").await;
    call(&*hub, "probe").await.unwrap();
}

#[tokio::test]
async fn a_call_that_waits_for_ever_ends_when_it_is_dropped() {
    let yard = Yard::new();
    let library = library(&yard).await;
    for entry in HUB_ENTRIES.into_iter().filter(|entry| *entry != "adopt") {
        let hub = hub(&library, entry, "wait").await;
        let soon = Duration::from_millis(20);
        tokio::time::timeout(soon, call(&*hub, entry)).await.unwrap_err();
        tokio::time::timeout(PATIENCE, hub.shutdown())
            .await
            .expect("nothing of it is left");
    }
}

#[tokio::test]
async fn a_panic_in_a_decision_or_in_work_is_an_error_of_that_request() {
    let yard = Yard::new();
    let library = library(&yard).await;
    let deciding = provider(&library, "decide", "panic").await;
    let entry = Entry::Method {
        name: "trouble/make",
        stream: false,
    };
    let request = Request {
        entry,
        headers: &[],
        body: b"{}",
    };
    assert_panicked(&deciding.decide(&request).unwrap_err(), "decide");
    assert!(deciding.work(context(), owned(false)).await.is_ok());
    let working = provider(&library, "work", "panic").await;
    assert_panicked(&working.work(context(), owned(false)).await.unwrap_err(), "work");
    assert!(working.decide(&request).is_ok());
}

#[tokio::test]
async fn a_panic_in_the_middle_of_a_stream_ends_it_with_an_error() {
    let yard = Yard::new();
    let library = library(&yard).await;
    let provider = provider(&library, "stream", "panic").await;
    let reply = provider.work(context(), owned(true)).await.unwrap();
    let ReplyBody::Stream(mut items) = reply.body else {
        panic!("asked for a stream")
    };
    assert_eq!(items.next().await.unwrap().unwrap(), "\"first\"");
    assert_panicked(&items.next().await.unwrap().unwrap_err(), "stream");
    assert!(items.next().await.is_none());
}

#[tokio::test]
async fn an_error_whose_rendering_panics_is_still_rendered() {
    let yard = Yard::new();
    let library = library(&yard).await;
    let provider = provider(&library, "render_error", "panic").await;
    let rendered = provider.render_error("route", Phase::Before, &Error::not_found("no such thing"));
    assert_eq!(rendered.status, 404);
    assert!(String::from_utf8_lossy(&rendered.body).contains("no such thing"));
}

fn owned(stream: bool) -> OwnedRequest {
    OwnedRequest {
        entry: OwnedEntry::Method {
            name: "trouble/make".to_owned(),
            stream,
        },
        headers: Vec::new(),
        body: "{}".into(),
    }
}

/// Asks again and again, with a deadline.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_hub_that_keeps_panicking_is_built_anew_and_then_quarantined() {
    let yard = Yard::new();
    let library = library(&yard).await;
    let hub = hub(&library, "control", "panic").await;
    let mut panics = 0;
    let quarantined = loop {
        let error = call(&*hub, "control").await.unwrap_err();
        match error.code {
            ErrorCode::PANICKED => panics += 1,
            _ => break error,
        }
        assert!(panics < 1_000, "it is let panic for ever");
    };
    assert!(
        panics >= 40,
        "ten for each of three rebuilds, and ten more: {panics}"
    );
    assert_eq!(
        (quarantined.code, quarantined.fault),
        (ErrorCode::NOT_AVAILABLE, Fault::Plugin)
    );
    let text = serde_json::to_string(&quarantined).unwrap();
    assert!(
        text.contains("quarantined") && text.contains("zoo-misbehaves"),
        "{text}"
    );
    assert!(
        text.contains("gleitzeit plugin list") && text.contains("restart"),
        "{text}"
    );
    assert_eq!(hub.quarantine().as_deref(), Some(quarantined.message.as_str()));
    assert!(hub.panics() >= 40, "those of replaced components count as well");
    let other = call(&*hub, "probe").await.unwrap_err();
    assert_eq!(
        other.code,
        ErrorCode::NOT_AVAILABLE,
        "none of its code runs any more"
    );
    hub.shutdown().await;
}

#[tokio::test]
async fn a_provider_that_keeps_panicking_is_quarantined_and_its_clients_are_still_answered() {
    let yard = Yard::new();
    let library = library(&yard).await;
    let provider = provider(&library, "decide", "panic").await;
    let request = Request {
        entry: Entry::Method {
            name: "troubled/make",
            stream: false,
        },
        headers: &[],
        body: b"{}",
    };
    until("it is quarantined", || {
        provider
            .decide(&request)
            .is_err_and(|error| error.code == ErrorCode::NOT_AVAILABLE)
    })
    .await;
    let error = provider.decide(&request).unwrap_err();
    let rendered = provider.render_error("any", Phase::Before, &error);
    assert_eq!(rendered.status, 503);
    assert!(String::from_utf8_lossy(&rendered.body).contains("quarantined"));
    provider.shutdown().await;
}

#[tokio::test]
async fn a_call_under_way_survives_that_its_component_is_replaced() {
    let yard = Yard::new();
    let library = library(&yard).await;
    let settings = HubSettings {
        config: {
            let mut config = Map::new();
            config.insert(
                "trouble".to_owned(),
                json!({ "start": "wait", "control": "panic" }),
            );
            config
        },
        ..HubSettings::new("troubled", "zoo-misbehaves")
    };
    let hub = library.hub(&settings, nothing()).await.unwrap();
    let waiting = tokio::spawn({
        let hub = hub.clone();
        async move { call(&*hub, "start").await }
    });
    tokio::task::yield_now().await;
    for _ in 0..10 {
        call(&*hub, "control").await.unwrap_err();
    }
    // The panics of the next component are counted from nothing, on top of those of the one before.
    call(&*hub, "probe").await.unwrap();
    assert!(!waiting.is_finished(), "it is drained, not cut off");
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    hub.shutdown().await;
}
