//! All hubs and providers: bindings, choosing across hubs, verbs over many instances, draining, what status shows.

mod acquire;
pub mod allocation;
mod entries;
mod hubs;
pub mod methods;
mod metrics;
pub mod optimise;
mod scale;
mod secrets;
mod status;
mod totals;
mod verbs;
mod who;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use plugin_api::{Error, ErrorCode, Fault};

pub use acquire::{Asking, Held};
use allocation::Allocations;
pub use entries::{HubEntry, ProviderEntry};
pub use hubs::Workshop;
pub use secrets::Secrets;
pub use who::{Viewer, Who, needs_admin};

use crate::plugin::Catalogue;
use crate::pool::{Clock, EventSink, Pool};

/// Every hub and provider that runs. Shared by all layers above; reading takes no lock.
pub struct Manager {
    hubs: ArcSwap<Vec<Arc<HubEntry>>>,
    providers: ArcSwap<Vec<Arc<ProviderEntry>>>,
    /// Every plugin file that was found, with what became of it.
    catalogue: ArcSwap<Catalogue>,
    /// Orders changes of the lists above; they are read without it.
    changing: Mutex<()>,
    events: EventSink,
    secrets: Secrets,
    allocations: Arc<Allocations>,
    /// Who builds hubs that are added while the host runs; empty until there is somebody.
    workshop: OnceLock<Weak<dyn Workshop>>,
    /// Whether hubs may be added and removed while the host runs: `[host] hubs_at_run_time`.
    hubs_change: AtomicBool,
    /// Hubs that are being added or removed.
    under_change: Mutex<BTreeSet<String>>,
}

impl Default for Manager {
    fn default() -> Self {
        Self::new(Secrets::default(), EventSink::default())
    }
}

impl Manager {
    /// A manager with nothing to manage yet.
    pub fn new(secrets: Secrets, events: EventSink) -> Self {
        Self::by(Clock::real(), secrets, events)
    }

    /// A manager whose allocations last by this clock.
    pub fn by(clock: Clock, secrets: Secrets, events: EventSink) -> Self {
        Self {
            hubs: ArcSwap::default(),
            providers: ArcSwap::default(),
            catalogue: ArcSwap::default(),
            changing: Mutex::new(()),
            allocations: Arc::new(Allocations::new(clock, events.clone())),
            workshop: OnceLock::new(),
            hubs_change: AtomicBool::new(false),
            under_change: Mutex::default(),
            secrets,
            events,
        }
    }

    /// Resources that are kept for somebody.
    pub fn allocations(&self) -> &Arc<Allocations> {
        &self.allocations
    }

    /// Where everything that happens to instances is told.
    pub fn events(&self) -> &EventSink {
        &self.events
    }

    /// The operator's named secrets.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Adds a hub.
    pub fn add_hub(&self, hub: HubEntry) {
        let _changing = self.changing.lock();
        let mut hubs = self.hubs.load().as_ref().clone();
        hubs.push(Arc::new(hub));
        self.hubs.store(Arc::new(hubs));
    }

    /// Adds a provider.
    pub fn add_provider(&self, provider: Arc<ProviderEntry>) {
        let _changing = self.changing.lock();
        let mut providers = self.providers.load().as_ref().clone();
        providers.push(provider);
        self.providers.store(Arc::new(providers));
    }

    /// From now on the provider of this name is this one, as after a change of its hubs.
    #[cfg(test)]
    pub(crate) fn replace_provider(&self, provider: Arc<ProviderEntry>) {
        let _changing = self.changing.lock();
        let mut providers = self.providers.load().as_ref().clone();
        providers.retain(|known| known.name != provider.name);
        providers.push(provider);
        self.providers.store(Arc::new(providers));
    }

    /// From now on, what is known of plugin files is this.
    pub fn set_catalogue(&self, catalogue: Arc<Catalogue>) {
        self.catalogue.store(catalogue);
    }

    /// Every hub, in the order of the configuration.
    pub fn hubs(&self) -> Arc<Vec<Arc<HubEntry>>> {
        self.hubs.load_full()
    }

    /// Every provider, in the order of the configuration.
    pub fn providers(&self) -> Arc<Vec<Arc<ProviderEntry>>> {
        self.providers.load_full()
    }

    /// A hub by name.
    ///
    /// # Errors
    /// There is none; the message lists those there are.
    pub fn hub(&self, name: &str) -> Result<Arc<HubEntry>, Error> {
        let hubs = self.hubs.load();
        hubs.iter().find(|hub| hub.name == name).cloned().ok_or_else(|| {
            let known: Vec<_> = hubs.iter().map(|hub| hub.name.as_str()).collect();
            Error::new(
                ErrorCode::PROVIDER_NOT_FOUND,
                Fault::Client,
                format!("there is no hub `{name}`; there are: {}", list(&known)),
            )
        })
    }

    /// The pools with these names, in this order; names without a hub are left out.
    pub fn pools(&self, names: &[String]) -> Vec<Pool> {
        let hubs = self.hubs.load();
        names
            .iter()
            .filter_map(|name| hubs.iter().find(|hub| hub.name == *name))
            .map(|hub| hub.pool.clone())
            .collect()
    }

    /// The pool that holds an instance of this id, in the named hub or in whichever has it.
    ///
    /// # Errors
    /// No such hub or instance.
    pub fn pool_of(&self, hub: Option<&str>, instance: &str) -> Result<Pool, Error> {
        let hubs = match hub {
            Some(name) => vec![self.hub(name)?],
            None => self.hubs.load().as_ref().clone(),
        };
        let holds = |hub: &&Arc<HubEntry>| hub.pool.view().iter().any(|view| view.instance.id == instance);
        let known = || {
            let ids: Vec<_> = hubs
                .iter()
                .flat_map(|hub| hub.pool.view())
                .map(|view| view.instance.id)
                .collect();
            Error::not_found(format!(
                "there is no instance `{instance}`; there are: {}",
                list(&ids)
            ))
        };
        hubs.iter()
            .find(holds)
            .map(|hub| hub.pool.clone())
            .ok_or_else(known)
    }

    /// Lets an instance finish what it has and gives it nothing new.
    ///
    /// # Errors
    /// No such hub or instance.
    pub fn drain(&self, hub: Option<&str>, instance: &str) -> Result<(), Error> {
        self.pool_of(hub, instance)?.drain(instance)
    }

    /// Gives a drained instance work again.
    ///
    /// # Errors
    /// No such hub or instance.
    pub fn resume(&self, hub: Option<&str>, instance: &str) -> Result<(), Error> {
        self.pool_of(hub, instance)?.resume(instance)
    }
}

fn list<T: AsRef<str>>(names: &[T]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}
