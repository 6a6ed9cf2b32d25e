//! Hubs that come and go while the host runs. Nothing of it is written down: after a restart the host has what
//! `plugins.toml` says.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use plugin_api::{Error, ErrorCode, Fault, Retry};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::methods::{PREFIX, Span};
use super::{HubEntry, Manager, ProviderEntry};
use crate::config::settings::HubSettings;
use crate::pool::events::kind;

/// How long a hub that is removed waits for what is in flight, where nothing else is said.
const DEFAULT_DRAIN: Duration = Duration::from_secs(30);

/// Who turns settings into running hubs. The layer above knows where plugins come from.
pub trait Workshop: Send + Sync + 'static {
    /// Checks a hub's settings as those of `plugins.toml` are checked.
    ///
    /// # Errors
    /// Every mistake there is, in the same words.
    fn check(
        &self,
        name: &str,
        plugin: Option<&str>,
        settings: &Map<String, Value>,
    ) -> Result<HubSettings, Error>;

    /// Where hubs run. Whoever asks for one may be on a runtime that serves connections, and ends before hubs do.
    fn runtime(&self) -> Handle;

    /// Loads the plugin and builds the hub; its pool works when this returns, on the current runtime.
    fn build(&self, settings: HubSettings) -> BoxFuture<'_, Result<HubEntry, Error>>;

    /// The hub is one of the manager's now: what its plugin asked for meanwhile is done.
    fn serve(&self, hub: &str);

    /// Ends what the hub's plugin still holds; its pool has ended already.
    fn dismantle(&self, hub: Arc<HubEntry>) -> BoxFuture<'_, ()>;

    /// From now on the providers are these: the same as before, with other hubs.
    ///
    /// # Errors
    /// What they offer cannot be offered.
    fn publish(&self, providers: &[Arc<ProviderEntry>]) -> Result<(), Error>;

    /// These providers have other hubs now, and the manager knows: what they want of their hubs is asked for anew.
    fn rebound(&self, providers: &[String]);
}

/// Parameters of `manager/add_hub`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddHubParams {
    /// Its name, as in [hubs.NAME].
    pub hub: String,
    /// The plugin's id; where absent, the hub's own name with -hub after it.
    #[serde(default)]
    pub plugin: Option<String>,
    /// Everything else that [hubs.NAME] may have in plugins.toml.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Providers that may use it from now on, after the hubs they have.
    #[serde(default)]
    pub providers: Vec<String>,
}

/// Parameters of `manager/remove_hub`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveHubParams {
    /// Its name.
    pub hub: String,
    /// How long to wait for what is in flight, in seconds or as text; half a minute where absent.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// Remove it although providers are bound to it: they go on without it.
    #[serde(default)]
    pub force: bool,
}

/// A hub is being added or removed; dropping it says that this is over.
struct UnderChange<'a> {
    manager: &'a Manager,
    hub: &'a str,
}

impl Drop for UnderChange<'_> {
    fn drop(&mut self) {
        self.manager.under_change.lock().remove(self.hub);
    }
}

impl Manager {
    /// From now on hubs can be added and removed, for as long as the workshop lives. Later calls change nothing.
    pub fn employ(&self, workshop: Weak<dyn Workshop>) {
        let _ = self.workshop.set(workshop);
    }

    /// Whether hubs may be added and removed while the host runs. A hub's settings name programs that the host starts, so
    /// not until the operator has said so.
    pub fn allow_hub_changes(&self, allowed: bool) {
        self.hubs_change.store(allowed, Ordering::Relaxed);
    }

    /// Adds a hub to the running host. Dropping the future does not take that back.
    ///
    /// # Errors
    /// `FORBIDDEN` unless the operator allows it. The name is taken, the settings have mistakes, the plugin is refused, or a provider cannot use it; then nothing
    /// has changed.
    pub async fn bring_in_hub(self: &Arc<Self>, params: AddHubParams) -> Result<Value, Error> {
        self.may_change_hubs("add_hub")?;
        let workshop = self.workshop()?;
        let manager = self.clone();
        // A task of its own: a hub half built because its administrator hung up would be nobody's.
        let addition = workshop
            .runtime()
            .spawn(async move { manager.bring_in(&*workshop, params).await });
        match addition.await {
            Ok(added) => added,
            Err(_) => Err(Error::new(
                ErrorCode::INTERNAL_ERROR,
                Fault::Host,
                "the addition broke off",
            )),
        }
    }

    async fn bring_in(&self, workshop: &dyn Workshop, params: AddHubParams) -> Result<Value, Error> {
        let _changing = self.begin_change(&params.hub)?;
        if self.hubs().iter().any(|hub| hub.name == params.hub) {
            return Err(Error::invalid(format!("there is a hub `{}` already", params.hub))
                .hint("give it another name, or remove the other first"));
        }
        let settings = workshop.check(&params.hub, params.plugin.as_deref(), &params.settings)?;
        let users = params
            .providers
            .iter()
            .map(|name| self.provider(name))
            .collect::<Result<Vec<_>, _>>()?;
        let entry = workshop.build(settings).await?;
        let provides = entry.pool.provides();
        if let Some(user) = users.iter().find(|user| {
            !user
                .driver
                .manifest()
                .requires
                .iter()
                .any(|kind| kind == provides)
        }) {
            let message = format!(
                "hub `{}` provides `{provides}`, which the provider `{}` cannot use",
                entry.name, user.name
            );
            entry.pool.shutdown(Instant::now()).await;
            workshop.dismantle(Arc::new(entry)).await;
            return Err(Error::invalid(message));
        }
        let (plugin, version, pool) = (entry.plugin.clone(), entry.version.clone(), entry.pool.clone());
        let provides = provides.to_owned();
        self.add_hub(entry);
        workshop.serve(&params.hub);
        let bound = self.rebind(workshop, |provider| {
            let wanted = params.providers.contains(&provider.name);
            wanted.then(|| provider.with(pool.clone()))
        });
        let bound = match bound {
            Ok(bound) => bound,
            Err(error) => {
                if let Ok(entry) = self.hub(&params.hub) {
                    self.forget_hub(&entry);
                    entry.pool.shutdown(Instant::now()).await;
                    workshop.dismantle(entry).await;
                }
                return Err(error);
            }
        };
        let data = json!({ "plugin": plugin, "kind": provides });
        self.events().emit(kind::HUB_ADDED, &params.hub, None, data);
        Ok(json!({
            "hub": params.hub, "plugin": plugin, "version": version, "kind": provides, "providers": bound,
        }))
    }

    /// Removes a hub from the running host: nothing new, what is in flight ends within the time, what the hub started
    /// is stopped. Dropping the future does not bring it back.
    ///
    /// # Errors
    /// `FORBIDDEN` unless the operator allows it. There is none of this name, or providers are bound to it and `force` is not said.
    pub async fn take_out_hub(self: &Arc<Self>, params: RemoveHubParams) -> Result<Value, Error> {
        self.may_change_hubs("remove_hub")?;
        let workshop = self.workshop()?;
        let entry = self.hub(&params.hub)?;
        let users: Vec<_> = self
            .providers()
            .iter()
            .filter(|provider| provider.hubs.iter().any(|pool| pool.name() == params.hub))
            .map(|provider| provider.name.clone())
            .collect();
        if !users.is_empty() && !params.force {
            let message = format!("the hub `{}` is used by: {}", params.hub, users.join(", "));
            return Err(Error::new(ErrorCode::INVALID_REQUEST, Fault::Client, message)
                .hint("say `force` to take it from them"));
        }
        let manager = self.clone();
        let runtime = entry.pool.runtime().clone();
        // A task of its own: a hub half removed because its administrator hung up would be nobody's.
        let removal = runtime.spawn(async move { manager.remove(&*workshop, entry, params).await });
        match removal.await {
            Ok(removed) => removed,
            Err(_) => Err(Error::new(
                ErrorCode::INTERNAL_ERROR,
                Fault::Host,
                "the removal broke off",
            )),
        }
    }

    async fn remove(
        &self,
        workshop: &dyn Workshop,
        entry: Arc<HubEntry>,
        params: RemoveHubParams,
    ) -> Result<Value, Error> {
        let _changing = self.begin_change(&params.hub)?;
        let unbound = self.rebind(workshop, |provider| provider.without(&params.hub))?;
        let limit = params.timeout.map_or(DEFAULT_DRAIN, |Span(limit)| limit);
        let deadline = Instant::now() + limit;
        let busy = entry.pool.metrics().hub.in_flight > 0;
        // What does not end in time is cut short, so this ends.
        entry.pool.shutdown(deadline).await;
        let cut_short = busy && Instant::now() >= deadline;
        self.forget_hub(&entry);
        workshop.dismantle(entry).await;
        let data = json!({ "cut_short": cut_short });
        self.events().emit(kind::HUB_REMOVED, &params.hub, None, data);
        Ok(json!({ "hub": params.hub, "removed": true, "cut_short": cut_short, "providers": unbound }))
    }

    fn forget_hub(&self, entry: &Arc<HubEntry>) {
        let _changing = self.changing.lock();
        let mut hubs = self.hubs.load().as_ref().clone();
        hubs.retain(|hub| !Arc::ptr_eq(hub, entry));
        self.hubs.store(Arc::new(hubs));
    }

    /// Gives providers other hubs; names those that have others now.
    fn rebind(
        &self,
        workshop: &dyn Workshop,
        change: impl Fn(&ProviderEntry) -> Option<ProviderEntry>,
    ) -> Result<Vec<String>, Error> {
        let changing = self.changing.lock();
        let mut changed = Vec::new();
        let providers: Vec<_> = self
            .providers()
            .iter()
            .map(|provider| match change(provider) {
                Some(other) => {
                    changed.push(other.name.clone());
                    Arc::new(other)
                }
                None => provider.clone(),
            })
            .collect();
        if !changed.is_empty() {
            workshop.publish(&providers)?;
            self.providers.store(Arc::new(providers));
            drop(changing);
            workshop.rebound(&changed);
        }
        Ok(changed)
    }

    fn provider(&self, name: &str) -> Result<Arc<ProviderEntry>, Error> {
        let providers = self.providers();
        let found = providers.iter().find(|provider| provider.name == name);
        found.cloned().ok_or_else(|| {
            let known: Vec<_> = providers.iter().map(|provider| provider.name.as_str()).collect();
            let message = format!(
                "there is no provider `{name}`; there are: {}",
                super::list(&known)
            );
            Error::new(ErrorCode::PROVIDER_NOT_FOUND, Fault::Client, message)
        })
    }

    fn may_change_hubs(&self, verb: &str) -> Result<(), Error> {
        if self.hubs_change.load(Ordering::Relaxed) {
            return Ok(());
        }
        let message = format!("{PREFIX}{verb}: this host's hubs may not be changed while it runs");
        Err(
            Error::new(ErrorCode::FORBIDDEN, Fault::Client, message).hint(
                "the operator may allow it with `[host] hubs_at_run_time = true` in plugins.toml; whoever may then \
                 change hubs may run programs as the host's user",
            ),
        )
    }

    fn workshop(&self) -> Result<Arc<dyn Workshop>, Error> {
        self.workshop.get().and_then(Weak::upgrade).ok_or_else(|| {
            Error::new(
                ErrorCode::NOT_INITIALIZED,
                Fault::Host,
                "hubs cannot be changed while the host starts or stops",
            )
            .retry(Retry::Now)
        })
    }

    fn begin_change<'a>(&'a self, hub: &'a str) -> Result<UnderChange<'a>, Error> {
        if !self.under_change.lock().insert(hub.to_owned()) {
            let message = format!("the hub `{hub}` is being added or removed already");
            return Err(Error::new(ErrorCode::INVALID_REQUEST, Fault::Client, message).retry(Retry::Now));
        }
        Ok(UnderChange { manager: self, hub })
    }
}
