//! A hub that does what the test says.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use parking_lot::Mutex;
use plugin_api::contract::instance::{Capability, InstanceSettings, Residency, ResourceInstance};
use plugin_api::contract::probe::Probe;
use plugin_api::manifest::HubManifest;
use plugin_api::{Context, Error, ErrorCode};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::engine::Engine;
use crate::plugin::driver::{ControlItem, HubDriver};

/// What a probe of an instance finds.
#[derive(Debug, Clone)]
pub(crate) enum Look {
    Well(Probe),
    Fails(Error),
    Hangs,
    Panics,
}

/// A hub that does what the test says.
pub(crate) struct FakeHub {
    pub(crate) manifest: HubManifest,
    script: Mutex<Script>,
    /// Starts by specification, where the test wants that.
    pub(crate) engine: Option<Engine>,
    /// Preparations wait for a permit each.
    pub(crate) preparing: Semaphore,
    /// Refreshes wait for a permit each, if the test asks for that.
    pub(crate) refreshing: Semaphore,
}

#[derive(Default)]
struct Script {
    looks: HashMap<String, Look>,
    /// What a refresh answers, where the test says something.
    refreshed: HashMap<String, Vec<Capability>>,
    held_refreshes: bool,
    refuses: HashMap<String, Error>,
    discovered: Option<Result<Vec<ResourceInstance>, Error>>,
    discovery_hangs: bool,
    starts: VecDeque<Result<ResourceInstance, Error>>,
    prepared: Option<Result<(), Error>>,
    /// Everything that was called, in order.
    log: Vec<String>,
}

impl Default for FakeHub {
    fn default() -> Self {
        Self {
            manifest: HubManifest::default(),
            script: Mutex::default(),
            engine: None,
            preparing: Semaphore::new(0),
            refreshing: Semaphore::new(0),
        }
    }
}

impl FakeHub {
    pub(crate) fn look(&self, id: &str, look: Look) {
        self.script.lock().looks.insert(id.to_owned(), look);
    }

    pub(crate) fn fails(&self, id: &str) {
        self.look(
            id,
            Look::Fails(Error::instance(
                ErrorCode::CONNECTION_FAILED,
                "connection refused",
            )),
        );
    }

    pub(crate) fn well(&self, id: &str) {
        self.look(id, Look::Well(Probe::default()));
    }

    /// The instance is well and holds these: a name with `*` in front is loaded, others are stored.
    pub(crate) fn holds(&self, id: &str, models: &[&str]) {
        let capabilities = Some(models.iter().map(|model| capability(model)).collect());
        self.look(
            id,
            Look::Well(Probe {
                capabilities,
                ..Probe::default()
            }),
        );
    }

    pub(crate) fn refreshes(&self, id: &str, models: &[&str]) {
        let capabilities = models.iter().map(|model| capability(model)).collect();
        self.script.lock().refreshed.insert(id.to_owned(), capabilities);
    }

    pub(crate) fn hold_refreshes(&self) {
        self.script.lock().held_refreshes = true;
    }

    pub(crate) fn refuses(&self, url: &str, why: Error) {
        self.script.lock().refuses.insert(url.to_owned(), why);
    }

    pub(crate) fn discovers(&self, ids: &[&str]) {
        self.script.lock().discovered = Some(Ok(ids.iter().map(|id| served(id)).collect()));
    }

    pub(crate) fn discovers_these(&self, instances: Vec<ResourceInstance>) {
        self.script.lock().discovered = Some(Ok(instances));
    }

    pub(crate) fn discovery_fails(&self) {
        self.script.lock().discovered = Some(Err(Error::plugin("no network")));
    }

    pub(crate) fn discovery_hangs(&self) {
        self.script.lock().discovery_hangs = true;
    }

    pub(crate) fn starts(&self, results: impl IntoIterator<Item = Result<ResourceInstance, Error>>) {
        self.script.lock().starts.extend(results);
    }

    pub(crate) fn prepares(&self, result: Result<(), Error>) {
        self.script.lock().prepared = Some(result);
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.script.lock().log.clone()
    }

    /// How many calls the log holds that begin so.
    pub(crate) fn calls(&self, prefix: &str) -> usize {
        self.script
            .lock()
            .log
            .iter()
            .filter(|call| call.starts_with(prefix))
            .count()
    }

    fn called(&self, call: String) {
        self.script.lock().log.push(call);
    }
}

impl HubDriver for FakeHub {
    fn manifest(&self) -> &HubManifest {
        &self.manifest
    }

    fn adopt(&self, settings: InstanceSettings) -> BoxFuture<'_, Result<ResourceInstance, Error>> {
        let refusal = self.script.lock().refuses.get(&settings.url).cloned();
        Box::pin(async move {
            match refusal {
                Some(error) => Err(error),
                None => ResourceInstance::from_settings(&settings),
            }
        })
    }

    fn discover(&self, _: Context) -> BoxFuture<'_, Result<Vec<ResourceInstance>, Error>> {
        Box::pin(async move {
            self.called("discover".into());
            if self.script.lock().discovery_hangs {
                std::future::pending::<()>().await;
            }
            self.script
                .lock()
                .discovered
                .clone()
                .unwrap_or_else(|| Ok(Vec::new()))
        })
    }

    fn probe(&self, _: Context, instance: Arc<ResourceInstance>) -> BoxFuture<'_, Result<Probe, Error>> {
        Box::pin(async move {
            self.called(format!("probe {}", instance.id));
            let look = self.script.lock().looks.get(&instance.id).cloned();
            match look.unwrap_or_else(|| Look::Well(Probe::default())) {
                Look::Well(probe) => Ok(probe),
                Look::Fails(error) => Err(error),
                Look::Hangs => std::future::pending().await,
                Look::Panics => panic!("the probe of {} panics", instance.id),
            }
        })
    }

    fn refresh(
        &self,
        _: Context,
        instance: Arc<ResourceInstance>,
    ) -> BoxFuture<'_, Result<Option<Vec<Capability>>, Error>> {
        Box::pin(async move {
            let (answer, held, look) = {
                let script = self.script.lock();
                let look = script.looks.get(&instance.id).cloned();
                (
                    script.refreshed.get(&instance.id).cloned(),
                    script.held_refreshes,
                    look,
                )
            };
            self.called(format!("refresh {}", instance.id));
            if let Some(Look::Fails(error)) = look {
                return Err(error);
            }
            if held {
                self.refreshing.acquire().await.unwrap().forget();
            }
            Ok(answer)
        })
    }

    fn prepare(
        &self,
        _: Context,
        instance: Arc<ResourceInstance>,
        capability: String,
        _: Option<Value>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.called(format!("prepare {} {capability}", instance.id));
            self.preparing.acquire().await.unwrap().forget();
            self.called(format!("prepared {} {capability}", instance.id));
            self.script.lock().prepared.clone().unwrap_or(Ok(()))
        })
    }

    fn start(&self, _: Context, specification: Value) -> BoxFuture<'_, Result<ResourceInstance, Error>> {
        Box::pin(async move {
            if let Some(engine) = &self.engine {
                return engine.start(specification).await;
            }
            self.called(format!("start {specification}"));
            let next = self.script.lock().starts.pop_front();
            next.unwrap_or_else(|| Err(Error::plugin("no more to start")))
        })
    }

    fn stop(&self, _: Context, instance: Arc<ResourceInstance>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            if let Some(engine) = &self.engine {
                return engine.stop(&instance.id).await;
            }
            self.called(format!("stop {}", instance.id));
            Ok(())
        })
    }

    fn reset(&self, _: Context, instance: Arc<ResourceInstance>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            match &self.engine {
                Some(engine) => engine.reset(&instance.id).await,
                None => Ok(()),
            }
        })
    }

    fn control(
        &self,
        _: Context,
        _: String,
        _: Value,
        _: Option<Arc<ResourceInstance>>,
    ) -> BoxStream<'static, Result<ControlItem, Error>> {
        futures_util::stream::empty().boxed()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// A capability; `*` in front says that it is loaded, `@4096` behind with which `num_ctx`.
pub(crate) fn capability(text: &str) -> Capability {
    let (text, residency) = match text.strip_prefix('*') {
        Some(rest) => (rest, Residency::Loaded),
        None => (text, Residency::Stored),
    };
    let (name, size) = text
        .split_once('@')
        .map_or((text, None), |(name, size)| (name, Some(size)));
    Capability {
        name: name.to_owned(),
        residency,
        loaded_as: size
            .map(|size| ("num_ctx".to_owned(), size.parse().unwrap()))
            .into_iter()
            .collect(),
        ..Capability::default()
    }
}

/// An instance at `http://ID`.
pub(crate) fn served(id: &str) -> ResourceInstance {
    ResourceInstance::from_settings(&configured(id)).unwrap()
}

pub(crate) fn configured(id: &str) -> InstanceSettings {
    InstanceSettings {
        url: format!("http://{id}"),
        ..InstanceSettings::default()
    }
}
