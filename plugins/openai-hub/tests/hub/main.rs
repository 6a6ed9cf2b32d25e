//! The hub against servers of many kinds, behaving and not.

#![allow(clippy::unwrap_used)] // clippy knows tests, not what they share

mod adopt;
mod manifest;
mod probe;

use openai_hub::OpenaiHub;
use plugin_api::contract::instance::InstanceSettings;
use plugin_api::testing::{Harness, HubHarness};
use plugin_api::{Context, Error, ResourceInstance};
use serde_json::{Value, json};

fn hub() -> HubHarness {
    Harness::new().hub::<OpenaiHub>(&json!({})).unwrap()
}

/// What becomes of an entry of `instances`.
fn adopt(hub: &HubHarness, url: &str, config: Value) -> Result<ResourceInstance, Error> {
    let settings = InstanceSettings {
        url: url.to_owned(),
        config: config.as_object().unwrap().clone(),
        ..InstanceSettings::default()
    };
    hub.adopt(&settings)
}

fn context() -> Context {
    Context::background("test")
}
