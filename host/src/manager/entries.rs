//! What runs: a hub with its pool, a provider with its bindings.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use plugin_api::manifest::Relay;

use crate::plugin::driver::{HubDriver, ProviderDriver};
use crate::pool::Pool;

/// A running hub.
pub struct HubEntry {
    /// Its name in the configuration.
    pub name: String,
    /// The plugin it comes from.
    pub plugin: String,
    /// That plugin's version.
    pub version: String,
    /// The plugin's side.
    pub driver: Arc<dyn HubDriver>,
    /// The engine's side.
    pub pool: Pool,
}

/// A running provider.
pub struct ProviderEntry {
    /// Its name in the configuration.
    pub name: String,
    /// The plugin it comes from.
    pub plugin: String,
    /// That plugin's version.
    pub version: String,
    /// The plugin's side.
    pub driver: Arc<dyn ProviderDriver>,
    /// The hubs it may use, in order of preference.
    pub hubs: Vec<Pool>,
    /// The same by the role the provider knows them by, where the operator gave roles.
    pub roles: BTreeMap<String, String>,
    /// Its manifest's relays, ready to be shared by requests.
    pub relays: HashMap<String, Arc<Relay>>,
}

impl ProviderEntry {
    /// A provider with the relays of its manifest.
    pub fn new(
        name: String,
        plugin: String,
        version: String,
        driver: Arc<dyn ProviderDriver>,
        hubs: Vec<Pool>,
        roles: BTreeMap<String, String>,
    ) -> Self {
        let relays = driver
            .manifest()
            .relays
            .iter()
            .map(|(name, relay)| (name.clone(), Arc::new(relay.clone())))
            .collect();
        Self {
            name,
            plugin,
            version,
            driver,
            hubs,
            roles,
            relays,
        }
    }
}
