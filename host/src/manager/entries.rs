//! What runs: a hub with its pool, a provider with its bindings.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use plugin_api::manifest::Relay;
use plugin_api::{Error, ErrorCode, Fault};

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
    /// The hub of each role the provider knows: the operator's choice, else the first of `hubs` of the kind that the
    /// manifest gives the role. Roles without a hub are left out.
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

    /// The same with one more hub, for those roles of its kind that have none.
    pub fn with(&self, pool: Pool) -> Self {
        let mut roles = self.roles.clone();
        for (role, kind) in &self.driver.manifest().roles {
            if pool.provides() == kind {
                roles
                    .entry(role.clone())
                    .or_insert_with(|| pool.name().to_owned());
            }
        }
        let hubs = self.hubs.iter().cloned().chain([pool]).collect();
        self.rebound(hubs, roles)
    }

    /// The same without this hub; `None` where it has not got it.
    pub fn without(&self, hub: &str) -> Option<Self> {
        let others = |pool: &&Pool| pool.name() != hub;
        let hubs: Vec<_> = self.hubs.iter().filter(others).cloned().collect();
        if hubs.len() == self.hubs.len() {
            return None;
        }
        let mut roles = self.roles.clone();
        roles.retain(|_, name| name != hub);
        for (role, kind) in &self.driver.manifest().roles {
            if let Some(pool) = hubs.iter().find(|pool| pool.provides() == kind) {
                roles
                    .entry(role.clone())
                    .or_insert_with(|| pool.name().to_owned());
            }
        }
        Some(self.rebound(hubs, roles))
    }

    fn rebound(&self, hubs: Vec<Pool>, roles: BTreeMap<String, String>) -> Self {
        Self {
            name: self.name.clone(),
            plugin: self.plugin.clone(),
            version: self.version.clone(),
            driver: self.driver.clone(),
            relays: self.relays.clone(),
            hubs,
            roles,
        }
    }

    /// The pools that may serve a request in this role; without a role, all of them.
    ///
    /// # Errors
    /// No hub has the role; the message says how to give it one.
    pub fn pools(&self, role: Option<&str>) -> Result<&[Pool], Error> {
        let Some(role) = role else {
            return Ok(&self.hubs);
        };
        let hub = self.roles.get(role);
        let pool = hub.and_then(|hub| self.hubs.iter().find(|pool| pool.name() == hub));
        pool.map(std::slice::from_ref).ok_or_else(|| {
            let message = format!("the provider `{}` has no hub for `{role}`", self.name);
            let hint = match self.driver.manifest().roles.get(role) {
                Some(kind) => format!(
                    "bind one that provides `{kind}` in plugins.toml: [providers.{}] hubs = {{ {role} = \"…\" }}",
                    self.name
                ),
                None => "the plugin's manifest does not know this role".to_owned(),
            };
            Error::new(ErrorCode::NOT_AVAILABLE, Fault::Host, message).hint(hint)
        })
    }
}
