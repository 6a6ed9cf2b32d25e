//! From code in this process to a component that runs, or a constructor that does not get there.

use std::sync::Arc;
use std::time::Duration;

use gleitzeit::config::settings::{HubSettings, ProviderSettings};
use gleitzeit::plugin::{Library, Loader, Refusal};
use plugin_api::contract::instance::InstanceSettings;
use plugin_api::provider::{Decision, Entry, OwnedEntry, OwnedRequest, ReplyBody, Request};
use plugin_api::{Context, ErrorCode};
use serde_json::{Map, Value, json};
use system::plugins::plugin;

use crate::elf::Elf;
use crate::services::nothing;
use crate::yard::{Yard, assert_line};

fn config(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn hub(value: Value) -> HubSettings {
    HubSettings {
        config: config(value),
        ..HubSettings::new("x", "zoo")
    }
}

fn provider(value: Value) -> ProviderSettings {
    ProviderSettings {
        name: "x".to_owned(),
        plugin: "zoo".to_owned(),
        hubs: gleitzeit::config::settings::HubBinding::ByManifest,
        config: config(value),
    }
}

async fn library(yard: &Yard, package: &str) -> Arc<Library> {
    yard.drop_in("a.so", &Elf::of(&plugin(package)).0);
    yard.load(package).await.unwrap()
}

/// What the constructor of a hub of this configuration is refused with.
async fn refusal(package: &str, value: Value) -> Refusal {
    let yard = Yard::new();
    let library = library(&yard, package).await;
    library.hub(&hub(value), nothing()).await.err().unwrap()
}

#[tokio::test]
async fn a_hub_is_built_and_answers() {
    let yard = Yard::new();
    let library = library(&yard, "zoo-good").await;
    let settings = hub(json!({ "capabilities": ["echo"] }));
    let hub = library.hub(&settings, nothing()).await.unwrap();
    assert_eq!(hub.manifest().provides, "echo-server");
    let entry = InstanceSettings {
        url: "http://127.0.0.1:1".to_owned(),
        ..InstanceSettings::default()
    };
    let instance = hub.adopt(entry).await.unwrap();
    assert_eq!(instance.id, "127.0.0.1:1");
    assert_eq!(instance.capabilities[0].name, "echo");
    hub.shutdown().await;
}

#[tokio::test]
async fn a_provider_is_built_and_answers() {
    let yard = Yard::new();
    let library = library(&yard, "zoo-good").await;
    let settings = provider(json!({ "prefix": "> " }));
    let provider = library.provider(&settings, nothing()).await.unwrap();
    let name = "echo/say";
    let request = Request {
        entry: Entry::Method { name, stream: false },
        headers: &[],
        body: br#"{"text":"hello"}"#,
    };
    assert_eq!(provider.decide(&request).unwrap(), Decision::Work);
    let request = OwnedRequest {
        entry: OwnedEntry::Method {
            name: name.to_owned(),
            stream: false,
        },
        headers: Vec::new(),
        body: request.body.into(),
    };
    let reply = provider.work(Context::background("test"), request).await.unwrap();
    let ReplyBody::Once(body) = reply.body else {
        panic!("asked for one answer")
    };
    assert_eq!(body, r#"{"text":"> hello"}"#);
    provider.shutdown().await;
}

#[tokio::test]
async fn one_library_makes_several_components() {
    let yard = Yard::new();
    let library = library(&yard, "zoo-good").await;
    let (one, two) = (
        hub(json!({ "capabilities": ["a"] })),
        hub(json!({ "capabilities": ["b"] })),
    );
    let (one, two) = tokio::join!(library.hub(&one, nothing()), library.hub(&two, nothing()));
    let (one, two) = (one.unwrap(), two.unwrap());
    one.shutdown().await;
    let entry = InstanceSettings {
        url: "http://127.0.0.1:1".to_owned(),
        ..InstanceSettings::default()
    };
    let instance = two.adopt(entry).await.unwrap();
    assert_eq!(
        instance.capabilities[0].name, "b",
        "the end of one is not the other's"
    );
}

#[tokio::test]
async fn a_constructor_that_refuses_is_quoted() {
    assert_line(
        &refusal("zoo-good", json!({ "refuse": "not on a Sunday" })).await,
        "FILE: `x` could not be constructed: refused: not on a Sunday; correct its `config` in plugins.toml",
    );
}

#[tokio::test]
async fn a_configuration_that_does_not_fit_its_type_is_a_refusal() {
    let line = refusal("zoo-good", json!({ "capabilities": 7 }))
        .await
        .to_string();
    assert!(
        line.contains("`x` could not be constructed: its config does not fit: "),
        "{line}"
    );
    assert!(line.ends_with("; correct its `config` in plugins.toml"), "{line}");
}

#[tokio::test]
async fn a_panic_in_a_constructor_is_a_refusal_with_its_place() {
    let refusal = refusal("zoo-misbehaves", json!({ "trouble": { "new": "panic" } })).await;
    let line = refusal.to_string();
    assert!(line.contains(": panicked while constructing `x`: "), "{line}");
    assert!(line.contains("on purpose in new"), "{line}");
    assert!(line.contains("trouble.rs:"), "{line}");
    assert!(
        line.ends_with("; report it to the plugin's author; the backtrace is in the log"),
        "{line}"
    );
    assert!(line.chars().count() <= 400 && !line.contains('\n'), "{line}");
    assert_eq!(plugin_api::Error::from(refusal).code, ErrorCode::PANICKED);
}

#[tokio::test]
async fn a_panic_whose_payload_panics_again_is_one_too() {
    let line = refusal("zoo-misbehaves", json!({ "trouble": { "new": "panic_twice" } }))
        .await
        .to_string();
    assert!(line.contains(": panicked while constructing `x`: "), "{line}");
}

#[tokio::test]
async fn a_panic_in_the_constructor_of_a_provider_is_a_refusal() {
    let yard = Yard::new();
    let library = library(&yard, "zoo-misbehaves").await;
    let settings = provider(json!({ "trouble": { "new": "panic" } }));
    let refusal = library.provider(&settings, nothing()).await.err().unwrap();
    assert!(refusal.to_string().contains("on purpose in new"), "{refusal}");
}

#[tokio::test]
async fn a_plugin_that_panicked_once_may_try_again() {
    let yard = Yard::new();
    let library = library(&yard, "zoo-misbehaves").await;
    for _ in 0..5 {
        let settings = hub(json!({ "trouble": { "new": "panic" } }));
        assert!(library.hub(&settings, nothing()).await.is_err());
    }
    assert!(library.hub(&hub(json!({})), nothing()).await.is_ok());
}

#[tokio::test]
async fn a_constructor_that_hangs_is_left_behind() {
    let yard = Yard::new();
    let path = yard.drop_in("a.so", &Elf::of(&plugin("zoo-misbehaves")).0);
    let mut settings = yard.settings();
    let catalogue = yard.scan();
    let entry = catalogue.get("zoo-misbehaves").unwrap();
    // Opening gets the time it needs, the constructor none to speak of.
    yard.loader().load(entry).await.unwrap();
    settings.construct_timeout = Duration::from_millis(300);
    let library = loop {
        if let Ok(library) = Loader::new(&settings).load(entry).await {
            break library;
        }
        settings.construct_timeout *= 2;
    };
    let stuck = hub(json!({ "trouble": { "new": "hang" } }));
    let refusal = library.hub(&stuck, nothing()).await.err().unwrap();
    let limit = humantime::format_duration(settings.construct_timeout);
    assert_eq!(refusal.path, path);
    assert_line(
        &refusal,
        &format!(
            "FILE: stuck for {limit} while constructing `x`; a constructor must not wait; raise [host] \
             construct_timeout or mend the plugin"
        ),
    );
}

#[tokio::test]
async fn a_component_that_is_not_there_is_asked_for_in_vain() {
    let yard = Yard::new();
    yard.drop_in("a.so", &Elf::of(&system::plugins::matrix("current")).0);
    let library = yard.load("matrix-current").await.unwrap();
    let refusal = library
        .provider(&provider(json!({})), nothing())
        .await
        .err()
        .unwrap();
    assert_line(
        &refusal,
        "FILE: contains no provider; name a plugin that has a provider; `gleitzeit plugin inspect` shows what \
         this one has",
    );
}
