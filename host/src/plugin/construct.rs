//! From a library to a running component: the author's constructor, on a thread that nobody waits for.

use std::sync::Arc;

use plugin_api::host::Services;
use plugin_api::{Error, ErrorCode};

use super::driver::{HubDriver, ProviderDriver};
use super::library::Library;
use super::loader::Loader;
use super::refusal::{Reason, Refusal};
use super::remote::{AbiHub, AbiProvider, Setup};
use super::{spare, state};

impl Loader {
    /// Builds the hub of a library. Dropping the future leaves a constructor under way to end by itself.
    ///
    /// # Errors
    /// The plugin has no hub, its constructor refused, panicked, or did not come back in time.
    pub async fn hub(
        &self,
        library: &Library,
        setup: Setup,
        services: Arc<dyn Services>,
    ) -> Result<Arc<dyn HubDriver>, Refusal> {
        let manifest = library
            .manifest()
            .hub
            .clone()
            .ok_or_else(|| absent(library, "hub"))?;
        let (module, name) = (library.module(), setup.name.clone());
        self.construct(library, name, move || {
            AbiHub::build(module, manifest, setup, services)
        })
        .await
        .map(|hub| Arc::new(hub) as Arc<dyn HubDriver>)
    }

    /// Builds the provider of a library; see [`hub`](Self::hub).
    ///
    /// # Errors
    /// As [`hub`](Self::hub).
    pub async fn provider(
        &self,
        library: &Library,
        setup: Setup,
        services: Arc<dyn Services>,
    ) -> Result<Arc<dyn ProviderDriver>, Refusal> {
        let manifest = library
            .manifest()
            .provider
            .clone()
            .ok_or_else(|| absent(library, "provider"))?;
        let (module, name) = (library.module(), setup.name.clone());
        self.construct(library, name, move || {
            AbiProvider::build(module, manifest, setup, services)
        })
        .await
        .map(|provider| Arc::new(provider) as Arc<dyn ProviderDriver>)
    }

    async fn construct<T: Send + 'static>(
        &self,
        library: &Library,
        name: String,
        build: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Refusal> {
        let id = library.manifest().id.clone();
        let refuse = |reason| state::rejected(Refusal::new(library.origin(), reason).of(&id));
        let guard = self.crashes.starting(&id, library.hash()).map_err(refuse)?;
        let guarded = move || {
            let built = build();
            drop(guard);
            built
        };
        let limit = self.limits.construct;
        match spare::run(&id, limit, guarded).await {
            Ok(Ok(component)) => Ok(component),
            Ok(Err(error)) => Err(refuse(told(name, error))),
            Err(no_answer) => Err(refuse(no_answer.reason("building it", limit))),
        }
    }
}

fn absent(library: &Library, component: &'static str) -> Refusal {
    let reason = Reason::NoSuchComponent { component };
    state::rejected(Refusal::new(library.origin(), reason).of(&library.manifest().id))
}

fn told(name: String, error: Error) -> Reason {
    let message = match &error.hint {
        Some(hint) => format!("{} ({hint})", error.message),
        None => error.message.clone(),
    };
    if error.code == ErrorCode::PANICKED {
        Reason::Panicked {
            doing: "building it".to_owned(),
            message,
        }
    } else {
        Reason::Construction { name, message }
    }
}
