//! From settings to running components: hubs first, then the providers that use them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use plugin_api::Error;
use plugin_api::manifest::ProviderManifest;
use tokio::time::Instant;

use super::workshop::Bench;
use crate::config::Settings;
use crate::config::settings::{HubBinding, ProviderSettings};
use crate::dispatch::{Dispatcher, Scope};
use crate::manager::{Manager, ProviderEntry, Secrets, Workshop};
use crate::plugin::{Catalogue, Refusal};
use crate::pool::{EventSink, Pool};

/// Everything that runs behind the gateway.
pub(super) struct Assembly {
    pub(super) dispatcher: Dispatcher,
    /// Why requests cannot be answered yet, one sentence each.
    pub(super) unready: Arc<Mutex<Vec<String>>>,
    bench: Arc<Bench>,
}

/// Why a component is not there.
pub(super) enum Missing {
    /// The plugin was refused; logged already.
    Refused(Refusal),
    /// No file has this plugin.
    NoSuchPlugin(String),
    /// What it offers is taken.
    Conflict(Error),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Missing::Refused(refusal) => refusal.fmt(formatter),
            Missing::NoSuchPlugin(id) => {
                write!(
                    formatter,
                    "no file in the plugin directories is the plugin `{id}`"
                )
            }
            Missing::Conflict(error) => error.fmt(formatter),
        }
    }
}

impl Assembly {
    /// Builds everything that can be built; what cannot is logged and shown.
    pub(super) async fn build(settings: &Settings, catalogue: Arc<Catalogue>) -> Result<Self, Error> {
        let manager = Arc::new(Manager::new(
            Secrets::new(settings.secrets.clone()),
            EventSink::default(),
        ));
        manager.set_catalogue(catalogue.clone());
        let dispatcher = Dispatcher::new(manager.clone());
        let bench = Arc::new(Bench::new(dispatcher.clone(), settings, catalogue));
        let assembly = Self {
            dispatcher,
            unready: Arc::default(),
            bench,
        };
        for hub in &settings.hubs {
            let built = assembly.bench.hub(hub).await;
            let built = built.map(|entry| {
                manager.add_hub(entry);
                assembly.bench.serve(&hub.name);
            });
            assembly.note("hub", &hub.name, built);
        }
        for provider in &settings.providers {
            let built = assembly.provider(provider).await;
            assembly.note("provider", &provider.name, built);
        }
        let workshop: Arc<dyn Workshop> = assembly.bench.clone();
        manager.allow_hub_changes(settings.host.hubs_at_run_time);
        manager.employ(Arc::downgrade(&workshop));
        Ok(assembly)
    }

    fn note(&self, kind: &str, name: &str, built: Result<(), Missing>) {
        match built {
            Ok(()) => tracing::info!(kind, name, "serving"),
            Err(missing) => {
                tracing::error!(kind, name, reason = %missing, "not serving");
                self.unready
                    .lock()
                    .push(format!("the {kind} `{name}` is not serving: {missing}"));
            }
        }
    }

    async fn provider(&self, settings: &ProviderSettings) -> Result<(), Missing> {
        let library = self.bench.load(&settings.plugin).await?;
        let services = self.bench.services(Scope::Provider(settings.name.clone()));
        let driver = library
            .provider(settings, services.clone())
            .await
            .map_err(Missing::Refused)?;
        let manager = self.dispatcher.manager();
        let (hubs, roles) = bound(manager, &settings.hubs, driver.manifest());
        let entry = ProviderEntry::new(
            settings.name.clone(),
            settings.plugin.clone(),
            library.manifest().version.clone(),
            driver,
            hubs,
            roles,
        );
        let entry = Arc::new(entry);
        self.dispatcher.publish(&entry).map_err(Missing::Conflict)?;
        manager.add_provider(entry);
        services.in_service();
        Ok(())
    }

    /// Ends everything, providers first: they use hubs, and not the other way round.
    pub(super) async fn shut_down(&self, limit: Duration) {
        let manager = self.dispatcher.manager();
        manager.allocations().close();
        for provider in manager.providers().iter() {
            within(limit, &provider.name, provider.driver.shutdown()).await;
        }
        self.bench.release(None);
        for hub in manager.hubs().iter() {
            within(limit, &hub.name, hub.pool.shutdown(Instant::now() + limit)).await;
            within(limit, &hub.name, hub.driver.shutdown()).await;
        }
    }
}

pub(super) async fn within(limit: Duration, name: &str, ending: impl Future<Output = ()>) {
    // A little longer than what it was given, so that its own account of the delay comes first.
    if tokio::time::timeout(limit + Duration::from_secs(1), ending)
        .await
        .is_err()
    {
        tracing::warn!(name, "did not end in time and is left behind");
    }
}

/// The pools that a provider may use, and its roles.
fn bound(
    manager: &Manager,
    binding: &HubBinding,
    manifest: &ProviderManifest,
) -> (Vec<Pool>, BTreeMap<String, String>) {
    let pools = match binding {
        HubBinding::Ordered(names) => manager.pools(names),
        HubBinding::ByRole(roles) => {
            let names: BTreeSet<_> = roles.values().cloned().collect();
            manager.pools(&names.into_iter().collect::<Vec<_>>())
        }
        HubBinding::ByManifest => {
            let hubs = manager.hubs();
            let provides = |kind: &String| {
                let kind = kind.clone();
                hubs.iter()
                    .filter(move |hub| hub.driver.manifest().provides == kind)
                    .map(|hub| hub.pool.clone())
            };
            manifest.requires.iter().flat_map(provides).collect()
        }
    };
    let mut roles = match binding {
        HubBinding::ByRole(roles) => roles.clone(),
        HubBinding::Ordered(_) | HubBinding::ByManifest => BTreeMap::new(),
    };
    for (role, kind) in &manifest.roles {
        let first = || pools.iter().find(|pool| pool.provides() == kind);
        if !roles.contains_key(role)
            && let Some(pool) = first()
        {
            roles.insert(role.clone(), pool.name().to_owned());
        }
    }
    (pools, roles)
}
