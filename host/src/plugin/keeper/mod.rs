//! Keeping a component running although its code panics: contained every time, built anew when that goes on, and left
//! alone when even that does not help.
//!
//! A panic may leave anything behind it: a lock that is held, half a list. One is an accident, and the call that met it
//! has failed; one after another says that what they left is broken. A new component of the same code begins clean.

mod hub;
mod provider;
mod record;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use plugin_api::{Error, ErrorCode, Fault};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

pub(super) use hub::KeptHub;
pub(super) use provider::KeptProvider;
use record::{PANICS, REBUILDS, Record, Verdict, WINDOW};

use super::refusal::Refusal;

/// How long calls on a replaced component may take to end.
const DRAIN: Duration = Duration::from_secs(30);

/// What is kept: the part of a driver that concerns its life.
pub(super) trait Component: Send + Sync + 'static {
    /// How many times it has panicked.
    fn panics(&self) -> u64;
    /// Ends it.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

/// Makes a component of the same code and settings again.
pub(super) type Build<D> = Box<dyn Fn() -> BoxFuture<'static, Result<D, Refusal>> + Send + Sync>;

/// A component that is replaced when it keeps panicking.
pub(super) struct Keeper<D> {
    plugin: String,
    name: String,
    build: Build<D>,
    current: ArcSwap<Generation<D>>,
    /// Why it may run no more.
    quarantined: ArcSwapOption<String>,
    /// Locked after a panic, never across an await.
    record: Mutex<Record>,
    /// Something was counted lately, so calls are counted as well. Otherwise they are not: it would cost every request.
    wary: AtomicBool,
    /// Its successor is being built; what it does until then is not counted.
    replacing: AtomicBool,
    calls: AtomicU64,
    /// Panics of components that were replaced.
    earlier: AtomicU64,
    /// Where replacing happens: a call that panics may end on a thread that has better things to do.
    runtime: Handle,
}

/// One component, until it is replaced.
pub(super) struct Generation<D> {
    pub(super) driver: D,
    seen: AtomicU64,
    /// Calls under way.
    calls: TaskTracker,
}

impl<D> Generation<D> {
    fn new(driver: D) -> Arc<Self> {
        Arc::new(Self {
            driver,
            seen: AtomicU64::new(0),
            calls: TaskTracker::new(),
        })
    }
}

/// A call under way; a component that is replaced is not ended before these are dropped.
pub(super) struct Call<D: Component> {
    keeper: Arc<Keeper<D>>,
    generation: Arc<Generation<D>>,
    _token: TaskTrackerToken,
}

impl<D: Component> Call<D> {
    pub(super) fn driver(&self) -> &D {
        &self.generation.driver
    }
}

impl<D: Component> Drop for Call<D> {
    fn drop(&mut self) {
        self.keeper.look(&self.generation);
    }
}

impl<D: Component> Keeper<D> {
    /// Keeps this component, and makes others of it as needed, on the current runtime.
    pub(super) fn new(plugin: String, name: String, first: D, build: Build<D>) -> Arc<Self> {
        Arc::new(Self {
            plugin,
            name,
            build,
            current: ArcSwap::new(Generation::new(first)),
            quarantined: ArcSwapOption::empty(),
            record: Mutex::default(),
            wary: AtomicBool::new(false),
            replacing: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            earlier: AtomicU64::new(0),
            runtime: Handle::current(),
        })
    }

    /// Begins a call that may take a while.
    ///
    /// # Errors
    /// It is quarantined.
    pub(super) fn call(self: &Arc<Self>) -> Result<Call<D>, Error> {
        self.admit()?;
        let generation = self.current.load_full();
        Ok(Call {
            _token: generation.calls.token(),
            generation,
            keeper: self.clone(),
        })
    }

    /// A call that is over at once, and for which nothing is allocated.
    ///
    /// # Errors
    /// It is quarantined.
    pub(super) fn at_once<T>(self: &Arc<Self>, call: impl FnOnce(&D) -> T) -> Result<T, Error> {
        self.admit()?;
        let generation = self.current.load();
        let outcome = call(&generation.driver);
        self.look(&generation);
        Ok(outcome)
    }

    /// Why it may run no more.
    pub(super) fn quarantine(&self) -> Option<String> {
        self.quarantined.load().as_deref().cloned()
    }

    /// Panics of all its components.
    pub(super) fn panics(&self) -> u64 {
        self.earlier.load(Ordering::Relaxed) + self.current.load().driver.panics()
    }

    /// Ends it.
    pub(super) async fn shutdown(&self) {
        self.current.load_full().driver.shutdown().await;
    }

    fn admit(&self) -> Result<(), Error> {
        if self.wary.load(Ordering::Relaxed) {
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
        match &*self.quarantined.load() {
            None => Ok(()),
            Some(why) => Err(Error::new(ErrorCode::NOT_AVAILABLE, Fault::Plugin, why.as_str()).hint(WAY_OUT)),
        }
    }

    /// Looks whether it has panicked meanwhile.
    #[inline]
    fn look(self: &Arc<Self>, generation: &Arc<Generation<D>>) {
        let panics = generation.driver.panics();
        if panics != generation.seen.load(Ordering::Relaxed) {
            self.panicked(generation, panics);
        }
    }

    #[cold]
    fn panicked(self: &Arc<Self>, generation: &Arc<Generation<D>>, panics: u64) {
        let before = generation.seen.fetch_max(panics, Ordering::Relaxed);
        let mut record = self.record.lock();
        // One that is being replaced, or has been, has had its verdict.
        let had = self.replacing.load(Ordering::Relaxed) || !Arc::ptr_eq(&self.current.load(), generation);
        if panics <= before || had {
            return;
        }
        let now = Instant::now();
        if record.is_over(now) {
            record.forget();
            self.calls.store(0, Ordering::Relaxed);
            self.wary.store(true, Ordering::Relaxed);
        }
        let verdict = record.panicked(panics - before, self.calls.load(Ordering::Relaxed), now);
        self.replacing.store(verdict != Verdict::Bear, Ordering::Relaxed);
        drop(record);
        match verdict {
            Verdict::Bear => {}
            Verdict::Rebuild => {
                let (keeper, old) = (self.clone(), generation.clone());
                self.runtime.spawn(async move { keeper.replace(old).await });
            }
            Verdict::Quarantine => {
                self.seclude(format!(
                    "`{}` of the plugin `{}` is quarantined: it went on panicking after it was built anew {REBUILDS} times",
                    self.name, self.plugin
                ));
                let old = generation.clone();
                self.runtime.spawn(async move { retire(&old).await });
            }
        }
    }

    async fn replace(&self, old: Arc<Generation<D>>) {
        tracing::warn!(
            target: "gleitzeit::plugin", plugin = self.plugin, component = self.name,
            "it panicked {PANICS} times within {} and is built anew", humantime::format_duration(WINDOW)
        );
        match (self.build)().await {
            Ok(new) => {
                self.current.store(Generation::new(new));
                self.earlier.fetch_add(old.driver.panics(), Ordering::Relaxed);
                self.replacing.store(false, Ordering::Relaxed);
            }
            Err(refusal) => self.seclude(format!(
                "`{}` of the plugin `{}` is quarantined: it kept panicking and could not be built anew: {refusal}",
                self.name, self.plugin
            )),
        }
        retire(&old).await;
    }

    fn seclude(&self, why: String) {
        tracing::error!(target: "gleitzeit::plugin", plugin = self.plugin, component = self.name, "{why}");
        self.quarantined.store(Some(Arc::new(why)));
    }
}

/// What an operator can do about a quarantine.
const WAY_OUT: &str = "the log says where it panics; put a mended plugin in its place (`gleitzeit plugin list` shows the file) and restart the host";

/// Ends a component once its calls are over, or have had their time.
async fn retire<D: Component>(old: &Generation<D>) {
    old.calls.close();
    if tokio::time::timeout(DRAIN, old.calls.wait()).await.is_err() {
        tracing::warn!(target: "gleitzeit::plugin", left = old.calls.len(), "calls on a replaced component are cut off");
    }
    old.driver.shutdown().await;
}
