//! The conformance kit: what every plugin must answer, asked through the shims of the stable ABI.
//!
//! A plugin's own tests call [`hub`] or [`provider`] once; each check is one sentence, and a failure says what was
//! found and what to do.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use plugin_api::{Context, Error, Host, Hub, ResourceInstance};
//! # use plugin_api::contract::{instance::InstanceSettings, probe::Probe};
//! # struct MyHub;
//! # impl Hub for MyHub {
//! #     type Config = serde_json::Value;
//! #     type Error = Error;
//! #     fn new(_: Self::Config, _: Host) -> Result<Self, Error> { Ok(Self) }
//! #     fn adopt(&self, s: InstanceSettings) -> Result<ResourceInstance, Error> { ResourceInstance::from_settings(&s) }
//! #     async fn probe(self: Arc<Self>, _: Context, _: Arc<ResourceInstance>) -> Result<Probe, Error> {
//! #         Ok(Probe::default())
//! #     }
//! # }
//! # async fn my_hub_conforms() {
//! # let manifest = "";
//! let manifest = manifest; // in a plugin: include_str!("../manifest.toml")
//! plugin_api::testing::conformance::hub::<MyHub>(manifest, &serde_json::json!({})).await.assert();
//! # }
//! ```

mod config;
mod hub;
mod life;
mod manifest;
mod provider;
mod report;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use report::{Check, Report};

use crate::provider::OwnedRequest;
use crate::{Hub, Provider};

/// Checks a hub, its manifest, and this configuration of it. Called within a tokio runtime whose clock runs.
///
/// The hub is built a few times. Its instances are a port where nobody listens and one that never answers; verbs that
/// change anything are tried on those only.
pub async fn hub<H: Hub>(manifest: &str, config: &Value) -> Report {
    let mut report = Report::default();
    let Some(whole) = manifest::check(manifest, &mut report) else {
        return report;
    };
    let Some(described) = whole.hub else {
        report.failed("the manifest describes the hub", "it has no [hub]");
        return report;
    };
    config::check::<H::Config>(&described.config, config, &mut report);
    hub::check::<H>(&described, config, &mut report).await;
    report
}

/// Checks a provider, its manifest, and this configuration of it. Called within a tokio runtime whose clock runs.
///
/// `samples` are requests that it should understand: what it decides of them is checked as well.
pub async fn provider<P: Provider>(manifest: &str, config: &Value, samples: &[OwnedRequest]) -> Report {
    let mut report = Report::default();
    let Some(whole) = manifest::check(manifest, &mut report) else {
        return report;
    };
    let Some(described) = whole.provider else {
        report.failed("the manifest describes the provider", "it has no [provider]");
        return report;
    };
    config::check::<P::Config>(&described.config, config, &mut report);
    provider::check::<P>(&described, config, samples, &mut report).await;
    report
}
