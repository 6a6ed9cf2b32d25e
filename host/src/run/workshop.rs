//! Where hubs are built: from settings to a running hub, when the host starts and while it runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use plugin_api::{Error, ErrorCode, Fault};
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use super::assemble::{Missing, within};
use crate::config::settings::HubSettings;
use crate::config::{Draft, Settings, Sources};
use crate::dispatch::{ComponentServices, Dispatcher, Scope};
use crate::manager::{HubEntry, ProviderEntry, Workshop};
use crate::plugin::{Catalogue, Library, Loader};
use crate::pool::{Clock, Pool};

/// Builds components of plugins, and remembers what each of them holds of the host.
pub(super) struct Bench {
    pub(super) dispatcher: Dispatcher,
    loader: Loader,
    catalogue: Arc<Catalogue>,
    services: Mutex<Vec<(Scope, Arc<ComponentServices>)>>,
    /// Where relative paths begin.
    base: PathBuf,
    /// How long the end of a component may take.
    limit: Duration,
    runtime: Handle,
}

impl Bench {
    /// On the current runtime, which is the one that components run on.
    pub(super) fn new(dispatcher: Dispatcher, settings: &Settings, catalogue: Arc<Catalogue>) -> Self {
        Self {
            dispatcher,
            loader: Loader::new(&settings.host),
            catalogue,
            services: Mutex::default(),
            base: settings.base.clone(),
            limit: settings.host.shutdown_timeout,
            runtime: Handle::current(),
        }
    }

    /// What a component gets of the host.
    pub(super) fn services(&self, scope: Scope) -> Arc<ComponentServices> {
        let services = ComponentServices::new(scope.clone());
        services.bind(&self.dispatcher);
        self.services.lock().push((scope, services.clone()));
        services
    }

    /// Releases what components hold: all of them, or those of one scope, which are forgotten then.
    pub(super) fn release(&self, scope: Option<&Scope>) {
        let mut services = self.services.lock();
        let held: Vec<_> = services
            .iter()
            .filter(|(of, _)| scope.is_none_or(|scope| scope == of))
            .map(|(_, services)| services.clone())
            .collect();
        services.retain(|(of, _)| scope != Some(of));
        // A release may wake others, which ask us in turn.
        drop(services);
        held.iter().for_each(|services| services.release_all());
    }

    pub(super) async fn load(&self, id: &str) -> Result<Arc<Library>, Missing> {
        match self.catalogue.get(id) {
            Some(entry) => self.loader.load(entry).await.map_err(Missing::Refused),
            None => Err(self
                .catalogue
                .refusal_of(id)
                .map_or_else(|| Missing::NoSuchPlugin(id.to_owned()), Missing::Refused)),
        }
    }

    /// A hub whose pool works.
    pub(super) async fn hub(&self, settings: &HubSettings) -> Result<HubEntry, Missing> {
        let library = self.load(&settings.plugin).await?;
        let scope = Scope::Hub(settings.name.clone());
        let services = self.services(scope.clone());
        let driver = library.hub(settings, services).await.map_err(|refusal| {
            self.release(Some(&scope));
            Missing::Refused(refusal)
        })?;
        let events = self.dispatcher.manager().events().clone();
        let pool = Pool::start(settings.clone(), driver.clone(), Clock::real(), events);
        Ok(HubEntry {
            name: settings.name.clone(),
            plugin: settings.plugin.clone(),
            version: library.manifest().version.clone(),
            driver,
            pool,
        })
    }
}

impl Workshop for Bench {
    fn check(
        &self,
        name: &str,
        plugin: Option<&str>,
        settings: &Map<String, Value>,
    ) -> Result<HubSettings, Error> {
        let mut table = settings.clone();
        if let Some(plugin) = plugin {
            table.insert("plugin".to_owned(), json!(plugin));
        }
        let environment = Sources::of_process(None, Vec::new()).environment;
        let refused = self.catalogue.refusals().into_iter().filter_map(|refusal| {
            let line = refusal.to_string();
            Some((refusal.plugin?, line))
        });
        let checked = Draft::of_hub(name, table, &self.base, environment)
            .with_refused(refused.collect())
            .finish(Some(&self.catalogue.manifests()));
        let mistakes = match checked {
            Ok(settings) => {
                return settings.hubs.into_iter().next().ok_or_else(|| {
                    Error::new(ErrorCode::INTERNAL_ERROR, Fault::Host, "the settings got lost")
                });
            }
            Err(mistakes) => mistakes,
        };
        let told: Vec<String> = mistakes
            .mistakes()
            .iter()
            .map(|mistake| match &mistake.help {
                Some(help) => format!("{} ({help})", mistake.message),
                None => mistake.message.clone(),
            })
            .collect();
        Err(Error::invalid(format!("the hub `{name}`: {}", told.join("; ")))
            .detail("mistakes", mistakes.to_json()))
    }

    fn runtime(&self) -> Handle {
        self.runtime.clone()
    }

    fn build(&self, settings: HubSettings) -> BoxFuture<'_, Result<HubEntry, Error>> {
        Box::pin(async move {
            self.hub(&settings).await.map_err(|missing| {
                let message = format!("the hub `{}` cannot be built: {missing}", settings.name);
                Error::new(ErrorCode::INIT_FAILED, Fault::Plugin, message)
            })
        })
    }

    fn dismantle(&self, hub: Arc<HubEntry>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.release(Some(&Scope::Hub(hub.name.clone())));
            within(self.limit, &hub.name, hub.driver.shutdown()).await;
        })
    }

    fn serve(&self, hub: &str) {
        let scope = Scope::Hub(hub.to_owned());
        let services = self.services.lock();
        let of_hub: Vec<_> = services.iter().filter(|(of, _)| *of == scope).cloned().collect();
        drop(services);
        of_hub.iter().for_each(|(_, services)| services.in_service());
    }

    fn publish(&self, providers: &[Arc<ProviderEntry>]) -> Result<(), Error> {
        self.dispatcher.republish(providers)
    }

    fn rebound(&self, providers: &[String]) {
        let concerned = |scope: &Scope| matches!(scope, Scope::Provider(name) if providers.contains(name));
        let services: Vec<_> = {
            let services = self.services.lock();
            let of_them = services.iter().filter(|(scope, _)| concerned(scope));
            of_them.map(|(_, services)| services.clone()).collect()
        };
        services.iter().for_each(|services| services.rebound());
    }
}
