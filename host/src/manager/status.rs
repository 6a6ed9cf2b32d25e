//! What status shows: everything that is, and whether a request would be routed to it now.

use serde_json::{Value, json};

use super::Manager;

impl Manager {
    /// The whole picture, for `gleitzeit status`.
    /// Of allocations that are somebody else's, whoever is no administrator sees only that they are there.
    pub fn status(&self, principal: &str, admin: bool) -> Value {
        let hubs: Vec<_> = self
            .hubs()
            .iter()
            .map(|hub| {
                json!({
                    "name": hub.name,
                    "plugin": hub.plugin,
                    "version": hub.version,
                    "panics": hub.driver.panics(),
                    "quarantine": hub.driver.quarantine(),
                    "strategy": hub.pool.settings().strategy.name(),
                    "instances": hub.pool.instances(),
                    "warm": hub.pool.warm_status(),
                    "metrics": hub.pool.metrics().hub,
                })
            })
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "api": plugin_api::manifest::API_VERSION,
            "hubs": hubs,
            "providers": self.provider_list(),
            "allocations": self.allocations().all(principal, admin),
            "plugins": self.plugins(),
        })
    }

    /// Every instance of every hub.
    pub fn instances(&self) -> Value {
        self.hubs()
            .iter()
            .flat_map(|hub| hub.pool.instances())
            .map(|status| json!(status))
            .collect()
    }

    /// Every plugin file that was found, with what became of it.
    pub fn plugins(&self) -> Value {
        json!(self.catalogue.load().listing())
    }

    /// Every hub's verbs, with their schemas.
    pub fn verbs(&self) -> Value {
        self.hubs()
            .iter()
            .map(|hub| (hub.name.clone(), json!(hub.driver.manifest().verbs)))
            .collect()
    }

    fn provider_list(&self) -> Vec<Value> {
        self.providers()
            .iter()
            .map(|provider| {
                let hubs: Vec<_> = provider.hubs.iter().map(|pool| pool.name().to_owned()).collect();
                json!({
                    "name": provider.name,
                    "plugin": provider.plugin,
                    "version": provider.version,
                    "panics": provider.driver.panics(),
                    "quarantine": provider.driver.quarantine(),
                    "protocol": provider.driver.manifest().protocol,
                    "hubs": hubs,
                    "roles": provider.roles,
                })
            })
            .collect()
    }
}
