//! The settings, as the rest of the host uses them: complete, checked, with every default filled in.
//!
//! These types are also the one description of `plugins.toml`: its keys, their types, ranges and defaults are
//! read off them for the check, for suggestions and for the JSON Schema, so that no key is written down twice.

mod host;
mod hub;
mod provider;
mod secret;
mod warm;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use host::{HostSettings, KeySettings, Limits};
pub use hub::{BreakerSettings, HealthSettings, HubSettings, QueueSettings, RetrySettings, TimeoutSettings};
pub use provider::{HubBinding, ProviderSettings};
pub use secret::SecretSource;
pub use warm::WarmSettings;

use super::value::named;

/// Everything `plugins.toml`, the environment and the command line say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "plugins.toml")]
pub struct Settings {
    /// The host itself: where it listens, who may call, what callers may cost.
    pub host: HostSettings,
    /// The hubs by name; each owns resources of one kind. In the order of the file.
    #[serde(with = "named")]
    #[schemars(with = "BTreeMap<String, HubSettings>")]
    pub hubs: Vec<HubSettings>,
    /// The providers by name; each speaks a protocol to users. In the order of the file.
    #[serde(with = "named")]
    #[schemars(with = "BTreeMap<String, ProviderSettings>")]
    pub providers: Vec<ProviderSettings>,
    /// Where each named secret comes from; plugins ask for them by name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// The file's own directory, where relative paths begin.
    #[serde(skip)]
    pub base: PathBuf,
}
