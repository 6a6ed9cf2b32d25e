//! A plugin whose code is in this process, and the components made from it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugin_api::abi::raw::PluginMod_Ref;
use plugin_api::host::Services;
use plugin_api::manifest::Manifest;
use plugin_api::{Error, ErrorCode};
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use super::crashes::Crashes;
use super::driver::{HubDriver, ProviderDriver};
use super::hash::ContentHash;
use super::keeper::{Build, KeptHub, KeptProvider};
use super::loader::Limits;
use super::refusal::{Reason, Refusal};
use super::remote::{AbiHub, AbiProvider, Setup};
use super::spare;
use super::stage::Staged;
use super::state;
use crate::config::settings::{HubSettings, ProviderSettings};

/// A plugin whose code is in this process, from which components are made. There is no way to unload it.
#[derive(Clone)]
pub struct Library {
    inner: Arc<Inner>,
}

/// Shared with the components, which may have to be made again.
struct Inner {
    origin: PathBuf,
    hash: ContentHash,
    manifest: Arc<Manifest>,
    module: PluginMod_Ref,
    limits: Limits,
    crashes: Crashes,
}

impl Library {
    pub(super) fn new(staged: &Staged, module: PluginMod_Ref, limits: Limits, crashes: Crashes) -> Self {
        let inner = Inner {
            origin: staged.origin().to_owned(),
            hash: staged.hash(),
            manifest: staged.examined().manifest.clone(),
            module,
            limits,
            crashes,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.inner.manifest
    }

    /// The file it came from.
    pub fn origin(&self) -> &Path {
        &self.inner.origin
    }

    /// The content that is running, which the file may no longer have.
    pub fn hash(&self) -> ContentHash {
        self.inner.hash
    }

    /// The root module, as the code itself describes it.
    pub fn module(&self) -> PluginMod_Ref {
        self.inner.module
    }

    /// Builds a hub. `services` are what it may ask of the host; they are served on the current runtime. If it keeps
    /// panicking it is built again in the same way, and quarantined where that does not help.
    ///
    /// Dropping the future lets the constructor end by itself; what it built is dropped on its thread.
    ///
    /// # Errors
    /// The plugin has no hub, its constructor refuses, panics or does not come back in time, or this build of it
    /// has ended the host too often.
    pub async fn hub(
        &self,
        settings: &HubSettings,
        services: Arc<dyn Services>,
    ) -> Result<Arc<dyn HubDriver>, Refusal> {
        let manifest = self.inner.manifest.hub.clone();
        let manifest = manifest.ok_or_else(|| self.inner.lacks("hub"))?;
        let setup = self.inner.setup(&settings.name, &settings.config);
        let inner = self.inner.clone();
        let build: Build<AbiHub> = Box::new(move || {
            let (inner, manifest, setup, services) =
                (inner.clone(), manifest.clone(), setup.clone(), services.clone());
            Box::pin(async move {
                let (name, module) = (setup.name.clone(), inner.module);
                let construct = move || AbiHub::build(module, manifest, setup, services);
                inner.build(&name, construct).await
            })
        });
        let (plugin, name) = (self.inner.manifest.id.clone(), settings.name.clone());
        let first = build().await?;
        Ok(Arc::new(KeptHub::new(plugin, name, first, build)))
    }

    /// Builds a provider. As [`hub`](Self::hub).
    ///
    /// # Errors
    /// As [`hub`](Self::hub).
    pub async fn provider(
        &self,
        settings: &ProviderSettings,
        services: Arc<dyn Services>,
    ) -> Result<Arc<dyn ProviderDriver>, Refusal> {
        let manifest = self.inner.manifest.provider.clone();
        let manifest = manifest.ok_or_else(|| self.inner.lacks("provider"))?;
        let setup = self.inner.setup(&settings.name, &settings.config);
        let inner = self.inner.clone();
        let build: Build<AbiProvider> = Box::new(move || {
            let (inner, manifest, setup, services) =
                (inner.clone(), manifest.clone(), setup.clone(), services.clone());
            Box::pin(async move {
                let (name, module) = (setup.name.clone(), inner.module);
                let construct = move || AbiProvider::build(module, manifest, setup, services);
                inner.build(&name, construct).await
            })
        });
        let (plugin, name) = (self.inner.manifest.id.clone(), settings.name.clone());
        let first = build().await?;
        Ok(Arc::new(KeptProvider::new(plugin, name, first, build)))
    }
}

impl Inner {
    fn setup(&self, name: &str, config: &Map<String, Value>) -> Setup {
        Setup {
            plugin: self.manifest.id.clone(),
            name: name.to_owned(),
            config: Value::Object(config.clone()),
            workers: self.limits.workers,
            grace: self.limits.grace,
            runtime: Handle::current(),
        }
    }

    /// Runs a constructor where it can hang without holding anybody up.
    async fn build<T: Send + 'static>(
        &self,
        name: &str,
        construct: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Refusal> {
        let id = &self.manifest.id;
        let limit = self.limits.construct;
        let guard = self
            .crashes
            .starting(id, Some(name), self.hash)
            .map_err(|reason| self.refuse(reason))?;
        let doing = format!("constructing `{name}`");
        let guarded = move || {
            let built = construct();
            drop(guard);
            built
        };
        match spare::run(id, limit, guarded).await {
            Ok(Ok(built)) => Ok(built),
            Ok(Err(error)) if error.code == ErrorCode::PANICKED => Err(self.refuse(Reason::Panicked {
                doing,
                message: error.message,
            })),
            Ok(Err(error)) => Err(self.refuse(Reason::Construction {
                name: name.to_owned(),
                message: error.message,
                hint: error.hint,
            })),
            Err(no_answer) => Err(self.refuse(no_answer.reason(&doing, limit))),
        }
    }

    fn lacks(&self, component: &'static str) -> Refusal {
        self.refuse(Reason::NoSuchComponent { component })
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        state::rejected(Refusal::new(&self.origin, reason).of(&self.manifest.id))
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Library")
            .field("id", &self.inner.manifest.id)
            .field("hash", &self.inner.hash)
            .finish_non_exhaustive()
    }
}
