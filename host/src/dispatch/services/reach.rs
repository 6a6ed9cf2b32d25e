//! What a component reaches: the host behind its services, and the hubs that are its own.

use std::sync::Arc;

use plugin_api::contract::requirement::Requirement;
use plugin_api::host::Binding;
use plugin_api::{Error, ErrorCode, Fault};

use super::{ComponentServices, Life, Scope};
use crate::dispatch::Dispatcher;
use crate::dispatch::relay::Judge;
use crate::manager::{Manager, ProviderEntry};
use crate::pool::Pool;

impl ComponentServices {
    pub(super) fn dispatcher(&self) -> Result<Dispatcher, Error> {
        let (table, manager, upstream, callers) = self.dispatcher.get().ok_or_else(|| {
            Error::new(
                ErrorCode::NOT_INITIALIZED,
                Fault::Host,
                "the host is still starting",
            )
            .retry(plugin_api::Retry::Now)
        })?;
        match (table.upgrade(), manager.upgrade()) {
            (Some(table), Some(manager)) => Ok(Dispatcher {
                table,
                manager,
                upstream: upstream.clone(),
                callers: callers.clone(),
            }),
            _ => Err(Error::new(ErrorCode::GONE, Fault::Host, "the host has stopped")),
        }
    }

    pub(super) fn pools(&self, manager: &Manager) -> Vec<Pool> {
        match &self.scope {
            Scope::Hub(name) => manager.pools(std::slice::from_ref(name)),
            Scope::Provider(_) => self
                .provider(manager)
                .map(|entry| entry.hubs.clone())
                .unwrap_or_default(),
        }
    }

    /// The pools that may serve a request.
    pub(super) fn pools_for(&self, manager: &Manager, requirement: &Requirement) -> Result<Vec<Pool>, Error> {
        match self.provider(manager) {
            Some(entry) => entry.pools(requirement.role.as_deref()).map(<[Pool]>::to_vec),
            None => Ok(self.pools(manager)),
        }
    }

    pub(super) fn provider(&self, manager: &Manager) -> Option<Arc<ProviderEntry>> {
        let Scope::Provider(name) = &self.scope else {
            return None;
        };
        manager
            .providers()
            .iter()
            .find(|provider| provider.name == *name)
            .cloned()
    }

    pub(super) fn judge(&self, manager: &Manager, relay: Option<&String>) -> Result<Option<Judge>, Error> {
        let (Some(relay), Scope::Provider(_)) = (relay, &self.scope) else {
            return Ok(None);
        };
        let entry = self.provider(manager);
        match entry.as_ref().and_then(|provider| provider.relays.get(relay)) {
            Some(relay) => Ok(Some(Judge::new(relay.clone()))),
            None => Err(Error::plugin(format!("the manifest has no relay `{relay}`"))),
        }
    }

    pub(super) async fn bound_to(&self) -> Result<Vec<Binding>, Error> {
        let mut life = self.life.subscribe();
        // The sender is our own, so it cannot be gone.
        if let Ok(life) = life.wait_for(|life| *life != Life::Starting).await
            && *life == Life::Retired
        {
            return Err(Error::new(
                ErrorCode::GONE,
                Fault::Host,
                "the component has been retired",
            ));
        }
        let dispatcher = self.dispatcher()?;
        let entry = self.provider(&dispatcher.manager);
        let binding = |pool: &Pool| Binding {
            hub: pool.name().to_owned(),
            provides: pool.provides().to_owned(),
            roles: entry
                .iter()
                .flat_map(|entry| &entry.roles)
                .filter(|(_, hub)| *hub == pool.name())
                .map(|(role, _)| role.clone())
                .collect(),
        };
        Ok(self.pools(&dispatcher.manager).iter().map(binding).collect())
    }
}
