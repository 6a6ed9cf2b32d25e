//! What the tests of this hub share: a hub on a host in miniature, and instances by URL.

use std::sync::Arc;
use std::time::Duration;

use ollama_hub::{Config, OllamaHub};
use plugin_api::contract::instance::{Capability, InstanceSettings, Residency};
use plugin_api::hub::Progress;
use plugin_api::testing::TestHost;
use plugin_api::{Context, Error, Hub, ResourceInstance};
use serde_json::Value;

/// A hub that discovers nothing unless told to, on a host without instances.
pub(crate) fn hub() -> Arc<OllamaHub> {
    hub_of(&TestHost::new(), quiet())
}

pub(crate) fn hub_of(host: &TestHost, config: Config) -> Arc<OllamaHub> {
    Arc::new(OllamaHub::new(config, host.handle()).unwrap())
}

/// Settings under which nothing is looked for.
pub(crate) fn quiet() -> Config {
    Config {
        auto_discover: false,
        ..Config::default()
    }
}

pub(crate) fn context() -> Context {
    Context::background("test")
}

/// The instance that an operator would get for this URL.
pub(crate) fn instance(hub: &OllamaHub, url: &str) -> Arc<ResourceInstance> {
    let settings = InstanceSettings {
        url: url.to_owned(),
        ..InstanceSettings::default()
    };
    Arc::new(hub.adopt(settings).unwrap())
}

/// What a probe finds on an instance.
pub(crate) async fn capabilities(hub: &Arc<OllamaHub>, instance: &Arc<ResourceInstance>) -> Vec<Capability> {
    let probe = hub.clone().probe(context(), instance.clone()).await.unwrap();
    probe.capabilities.unwrap()
}

/// What a refresh finds.
pub(crate) async fn refreshed(hub: &Arc<OllamaHub>, instance: &Arc<ResourceInstance>) -> Vec<Capability> {
    hub.clone()
        .refresh(context(), instance.clone())
        .await
        .unwrap()
        .unwrap()
}

/// The names of those in memory.
pub(crate) fn loaded(capabilities: &[Capability]) -> Vec<&str> {
    let loaded = capabilities
        .iter()
        .filter(|model| model.residency == Residency::Loaded);
    loaded.map(|model| model.name.as_str()).collect()
}

/// Runs a verb; the result and what was reported on the way.
pub(crate) async fn control(
    hub: &Arc<OllamaHub>,
    instance: &Arc<ResourceInstance>,
    verb: &str,
    arguments: Value,
) -> (Result<Value, Error>, Vec<Value>) {
    let (progress, mut reports) = Progress::channel();
    let call = hub.clone().control(
        context(),
        verb.into(),
        arguments,
        Some(instance.clone()),
        progress,
    );
    let result = call.await;
    let mut seen = Vec::new();
    while let Ok(report) = reports.try_recv() {
        seen.push(report);
    }
    (result, seen)
}

/// Waits until something is true, and fails after ten seconds if it is not.
pub(crate) async fn until(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_true().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(10), waiting)
            .await
            .is_ok(),
        "waited in vain until {what}"
    );
}
