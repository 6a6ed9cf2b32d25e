//! A hub that does what the test says, and a pool on it under simulated time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use parking_lot::Mutex;
use plugin_api::contract::instance::{Capability, InstanceSettings, Residency, ResourceInstance};
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::probe::Probe;
use plugin_api::contract::requirement::{Priority, Requirement};
use plugin_api::manifest::HubManifest;
use plugin_api::{Context, Error, ErrorCode};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{Asker, Clock, Event, EventSink, InstanceStatus, Lease, Pool, Refusal, Tried};
use crate::config::settings::HubSettings;
use crate::plugin::driver::{ControlItem, HubDriver};

/// What a probe of an instance finds.
#[derive(Debug, Clone)]
pub(super) enum Look {
    Well(Probe),
    Fails(Error),
    Hangs,
    Panics,
}

/// A hub that does what the test says.
pub(super) struct FakeHub {
    pub(super) manifest: HubManifest,
    script: Mutex<Script>,
    /// Preparations wait for a permit each.
    pub(super) preparing: Semaphore,
    /// Refreshes wait for a permit each, if the test asks for that.
    pub(super) refreshing: Semaphore,
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
            preparing: Semaphore::new(0),
            refreshing: Semaphore::new(0),
        }
    }
}

impl FakeHub {
    pub(super) fn look(&self, id: &str, look: Look) {
        self.script.lock().looks.insert(id.to_owned(), look);
    }

    pub(super) fn fails(&self, id: &str) {
        self.look(
            id,
            Look::Fails(Error::instance(
                ErrorCode::CONNECTION_FAILED,
                "connection refused",
            )),
        );
    }

    pub(super) fn well(&self, id: &str) {
        self.look(id, Look::Well(Probe::default()));
    }

    /// The instance is well and holds these: a name with `*` in front is loaded, others are stored.
    pub(super) fn holds(&self, id: &str, models: &[&str]) {
        let capabilities = Some(models.iter().map(|model| capability(model)).collect());
        self.look(
            id,
            Look::Well(Probe {
                capabilities,
                ..Probe::default()
            }),
        );
    }

    pub(super) fn refreshes(&self, id: &str, models: &[&str]) {
        let capabilities = models.iter().map(|model| capability(model)).collect();
        self.script.lock().refreshed.insert(id.to_owned(), capabilities);
    }

    pub(super) fn hold_refreshes(&self) {
        self.script.lock().held_refreshes = true;
    }

    pub(super) fn refuses(&self, url: &str, why: Error) {
        self.script.lock().refuses.insert(url.to_owned(), why);
    }

    pub(super) fn discovers(&self, ids: &[&str]) {
        self.script.lock().discovered = Some(Ok(ids.iter().map(|id| served(id)).collect()));
    }

    pub(super) fn discovers_these(&self, instances: Vec<ResourceInstance>) {
        self.script.lock().discovered = Some(Ok(instances));
    }

    pub(super) fn discovery_fails(&self) {
        self.script.lock().discovered = Some(Err(Error::plugin("no network")));
    }

    pub(super) fn discovery_hangs(&self) {
        self.script.lock().discovery_hangs = true;
    }

    pub(super) fn starts(&self, results: impl IntoIterator<Item = Result<ResourceInstance, Error>>) {
        self.script.lock().starts.extend(results);
    }

    pub(super) fn prepares(&self, result: Result<(), Error>) {
        self.script.lock().prepared = Some(result);
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.script.lock().log.clone()
    }

    /// How many calls the log holds that begin so.
    pub(super) fn calls(&self, prefix: &str) -> usize {
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
            self.called(format!("start {specification}"));
            let next = self.script.lock().starts.pop_front();
            next.unwrap_or_else(|| Err(Error::plugin("no more to start")))
        })
    }

    fn stop(&self, _: Context, instance: Arc<ResourceInstance>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.called(format!("stop {}", instance.id));
            Ok(())
        })
    }

    fn reset(&self, _: Context, _: Arc<ResourceInstance>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
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
pub(super) fn capability(text: &str) -> Capability {
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
pub(super) fn served(id: &str) -> ResourceInstance {
    ResourceInstance::from_settings(&configured(id)).unwrap()
}

pub(super) fn configured(id: &str) -> InstanceSettings {
    InstanceSettings {
        url: format!("http://{id}"),
        ..InstanceSettings::default()
    }
}

/// A pool on a fake hub, and everything that happens in it.
pub(super) struct Fleet {
    pub(super) pool: Pool,
    pub(super) hub: Arc<FakeHub>,
    pub(super) events: tokio::sync::broadcast::Receiver<Event>,
}

/// What to build a [`Fleet`] from.
pub(super) struct Plan {
    pub(super) hub: FakeHub,
    pub(super) settings: HubSettings,
}

/// Instances of these ids, configured; all are well and hold nothing unless the test says so.
pub(super) fn fleet(ids: &[&str]) -> Plan {
    let mut settings = HubSettings::new("hub", "fake-hub");
    settings.instances = ids.iter().map(|id| configured(id)).collect();
    // Tests that want refreshes say so: the log is easier to read without.
    settings.health.refresh = Duration::ZERO;
    Plan {
        hub: FakeHub::default(),
        settings,
    }
}

impl Plan {
    pub(super) fn set(mut self, change: impl FnOnce(&mut HubSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    pub(super) fn hub(mut self, change: impl FnOnce(&mut FakeHub)) -> Self {
        change(&mut self.hub);
        self
    }

    /// Each instance takes so many requests at once.
    pub(super) fn limit(self, limit: u32) -> Self {
        self.set(|settings| settings.max_concurrent = Some(limit))
    }

    /// Starts the pool; nothing has happened yet.
    pub(super) fn begin(self) -> Fleet {
        let events = EventSink::default();
        let followed = events.follow();
        let hub = Arc::new(self.hub);
        let pool = Pool::start(self.settings, hub.clone(), Clock::simulated(), events);
        Fleet {
            pool,
            hub,
            events: followed,
        }
    }

    /// Starts the pool and waits for the first probes.
    pub(super) async fn start(self) -> Fleet {
        let fleet = self.begin();
        idle().await;
        fleet
    }
}

/// Lets every task run until all of them sleep. A millisecond passes.
pub(super) async fn idle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Lets time pass, with everything that happens in it.
pub(super) async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

pub(super) const ME: Asker<'static> = Asker { principal: "me" };

/// A requirement for a model; none for the empty name.
pub(super) fn needs(model: &str) -> Requirement {
    Requirement {
        capability: (!model.is_empty()).then(|| model.to_owned()),
        ..Requirement::default()
    }
}

/// A requirement for anything, of this class.
pub(super) fn of_class(priority: Priority) -> Requirement {
    Requirement {
        priority,
        ..Requirement::default()
    }
}

impl Fleet {
    pub(super) fn try_take(&self, requirement: &Requirement) -> Result<Lease, Refusal> {
        self.pool.try_acquire(requirement, &ME, &Tried::NONE)
    }

    /// A lease on anything.
    pub(super) fn take(&self) -> Lease {
        self.try_take(&Requirement::default()).unwrap()
    }

    /// A lease on this instance.
    pub(super) fn take_from(&self, id: &str) -> Lease {
        self.try_take(&only(id)).unwrap()
    }

    /// Waits for a lease in a task of its own.
    pub(super) fn wait(
        &self,
        principal: &'static str,
        requirement: Requirement,
    ) -> tokio::task::JoinHandle<Result<Lease, Refusal>> {
        let pool = self.pool.clone();
        tokio::spawn(async move {
            pool.acquire(&requirement, &Asker { principal }, &Tried::NONE, None)
                .await
        })
    }

    /// Requests to this instance that all end so.
    pub(super) fn send(&self, id: &str, outcomes: &[Outcome]) {
        for outcome in outcomes {
            self.take_from(id).finish(*outcome);
        }
    }

    pub(super) fn status(&self, id: &str) -> InstanceStatus {
        self.pool
            .instances()
            .into_iter()
            .find(|status| status.id == id)
            .unwrap()
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.pool
            .instances()
            .into_iter()
            .map(|status| status.id)
            .collect()
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.pool.metrics().hub.in_flight
    }

    /// The kinds of events so far, of one instance, but `instance_registered`.
    pub(super) fn happened(&mut self, id: &str) -> Vec<String> {
        let mut kinds = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if event.instance.as_deref() == Some(id) && event.kind != "instance_registered" {
                kinds.push(match event.data.get("new").and_then(Value::as_str) {
                    Some(new) => format!("{} {new}", event.kind),
                    None => event.kind.to_owned(),
                });
            }
        }
        kinds
    }

    /// How often each instance is chosen in so many requests that end at once.
    pub(super) fn spread(&self, requests: usize, requirement: &Requirement) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..requests {
            let lease = self.try_take(requirement).unwrap();
            *counts.entry(lease.instance().id.clone()).or_default() += 1;
            lease.finish(Outcome::Success);
        }
        counts
    }
}

/// Only this instance will do.
pub(super) fn only(id: &str) -> Requirement {
    Requirement {
        instance: Some(id.to_owned()),
        ..Requirement::default()
    }
}
