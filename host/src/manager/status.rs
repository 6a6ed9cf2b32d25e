//! What status shows: everything that is, and whether a request would be routed to it now.

use serde_json::{Value, json};

use super::{Manager, Viewer};
use crate::pool::{InstanceStatus, Pool};

impl Manager {
    /// The whole picture, for `gleitzeit status`. Of what somebody else has, whoever is no administrator sees only that
    /// somebody has it.
    pub fn status(&self, viewer: Viewer<'_>) -> Value {
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
                    "instances": seen(&hub.pool, viewer).collect::<Vec<_>>(),
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
            "allocations": self.allocations().all(viewer),
            "plugins": self.plugins(),
        })
    }

    /// Every instance of every hub.
    pub fn instances(&self, viewer: Viewer<'_>) -> Value {
        self.hubs()
            .iter()
            .flat_map(|hub| seen(&hub.pool, viewer))
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

fn seen<'a>(pool: &Pool, viewer: Viewer<'a>) -> impl Iterator<Item = InstanceStatus> + use<'a> {
    let instances = pool.instances().into_iter();
    instances.map(move |instance| instance.told_to(|principal| viewer.sees(principal)))
}
