//! Which models are in memory: loading, waiting for a load, staying, expiring and making room.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex as Turnstile, Notify},
    time::Instant,
};

use super::{FakeModel, Settings, keep_alive::KeepAlive};
use crate::{
    reply::{Refusal, pause},
    stamp,
};

/// What the server says when too many requests wait for a load. The two spaces are its own.
pub(super) const BUSY: &str = "server busy, please try again.  maximum pending requests exceeded";

/// The smallest context a model is loaded with.
const LEAST_CONTEXT: u64 = 4;

/// Centuries: what "forever" looks like in a listing.
const FOREVER: Duration = Duration::from_secs(292 * 365 * 24 * 60 * 60);

/// The models in memory.
///
/// One model is loaded at a time and whatever else needs a load waits behind it, as in the real scheduler.
#[derive(Debug)]
pub(super) struct Residency {
    memory: Mutex<Memory>,
    /// Held while a model is loaded.
    loading: Turnstile<()>,
    /// A request ended, so a model may have become idle.
    idle: Notify,
    load_time: Duration,
    keep_alive: Duration,
    context: u64,
    max_loaded: usize,
    max_queue: usize,
}

/// The lock over this is never held across an await.
#[derive(Debug, Default)]
struct Memory {
    residents: Vec<Resident>,
    loads: Vec<(String, u64)>,
    waiting: usize,
}

#[derive(Debug)]
struct Resident {
    model: FakeModel,
    context: u64,
    keep_alive: KeepAlive,
    /// When it leaves if nobody uses it until then; `None` is never.
    expires: Option<Instant>,
    users: usize,
    ready: bool,
}

impl Residency {
    pub(super) fn new(settings: &Settings) -> Arc<Self> {
        Arc::new(Self {
            memory: Mutex::default(),
            loading: Turnstile::default(),
            idle: Notify::new(),
            load_time: settings.load_time,
            keep_alive: settings.keep_alive,
            context: settings.context,
            max_loaded: settings.max_loaded.max(1),
            max_queue: settings.max_queue,
        })
    }

    /// Puts a model in memory at once.
    pub(super) fn preload(&self, model: &FakeModel) {
        let mut resident = Resident::new(
            model,
            self.context_of(model, None),
            KeepAlive::For(self.keep_alive),
        );
        resident.ready = true;
        resident.users = 0;
        self.memory.lock().residents.push(resident);
    }

    /// Has the model in memory, with the context asked for, until the stay is dropped; says how long loading took.
    ///
    /// Dropping the future while it loads abandons the load, as a client's hang-up does.
    pub(super) async fn enter(
        self: &Arc<Self>,
        model: &FakeModel,
        context: Option<u64>,
        keep_alive: Option<KeepAlive>,
    ) -> Result<(Stay, Duration), Refusal> {
        let fits = context.map(|context| self.context_of(model, Some(context)));
        if let Some(stay) = self.join(model, fits, keep_alive) {
            return Ok((stay, Duration::ZERO));
        }
        let _waiting = self.wait_in_queue()?;
        let _loading = self.loading.lock().await;
        if let Some(stay) = self.join(model, fits, keep_alive) {
            return Ok((stay, Duration::ZERO));
        }
        self.make_room(model).await;

        let context = self.context_of(model, context);
        let keep_alive = keep_alive.unwrap_or(KeepAlive::For(self.keep_alive));
        self.memory
            .lock()
            .residents
            .push(Resident::new(model, context, keep_alive));
        // From here on dropping the stay takes the unfinished model out of memory again.
        let stay = Stay {
            name: model.name.clone(),
            residency: Arc::clone(self),
        };
        pause(self.load_time).await;
        let mut memory = self.memory.lock();
        memory.loads.push((model.name.clone(), context));
        if let Some(resident) = memory.named(&model.name) {
            resident.ready = true;
        }
        Ok((stay, self.load_time))
    }

    /// Takes a model out of memory as soon as nobody uses it.
    pub(super) fn unload(&self, model: &FakeModel) {
        let mut memory = self.memory.lock();
        if let Some(resident) = memory.named(&model.name) {
            resident.keep_alive = KeepAlive::UNLOAD;
            resident.expires = Some(Instant::now());
        }
        memory.expire();
    }

    /// Empties the memory, as a restart does.
    pub(super) fn clear(&self) {
        self.memory.lock().residents.clear();
    }

    pub(super) fn loaded(&self) -> Vec<String> {
        let mut memory = self.memory.lock();
        memory.expire();
        memory
            .residents
            .iter()
            .filter(|resident| resident.ready)
            .map(|r| r.model.name.clone())
            .collect()
    }

    pub(super) fn loads(&self) -> Vec<(String, u64)> {
        self.memory.lock().loads.clone()
    }

    /// The models of `/api/ps`, those that are being loaded included, longest remaining first.
    pub(super) fn listed(&self) -> Vec<Value> {
        let mut memory = self.memory.lock();
        memory.expire();
        let now = Instant::now();
        let left = |resident: &Resident| {
            resident
                .expires
                .map_or(FOREVER, |at| FOREVER.min(at.saturating_duration_since(now)))
        };
        memory
            .residents
            .sort_by_key(|resident| std::cmp::Reverse(left(resident)));
        memory
            .residents
            .iter()
            .map(|resident| resident.listed(left(resident)))
            .collect()
    }

    /// The context a model is loaded with: never longer than it was trained for.
    fn context_of(&self, model: &FakeModel, asked: Option<u64>) -> u64 {
        asked
            .unwrap_or(self.context)
            .min(model.context)
            .max(LEAST_CONTEXT)
    }

    /// Uses the model if it is in memory with a context that fits.
    fn join(
        self: &Arc<Self>,
        model: &FakeModel,
        context: Option<u64>,
        keep_alive: Option<KeepAlive>,
    ) -> Option<Stay> {
        let mut memory = self.memory.lock();
        memory.expire();
        let resident = memory.named(&model.name)?;
        if !resident.ready || context.is_some_and(|context| context != resident.context) {
            return None;
        }
        resident.users += 1;
        if let Some(keep_alive) = keep_alive {
            resident.keep_alive = keep_alive;
        }
        Some(Stay {
            name: model.name.clone(),
            residency: Arc::clone(self),
        })
    }

    fn wait_in_queue(self: &Arc<Self>) -> Result<Waiting, Refusal> {
        let mut memory = self.memory.lock();
        if memory.waiting >= self.max_queue {
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, BUSY));
        }
        memory.waiting += 1;
        Ok(Waiting(Arc::clone(self)))
    }

    /// Removes the model itself if it is there with another context, and the first to expire if the memory is full;
    /// waits until they are idle.
    async fn make_room(&self, model: &FakeModel) {
        loop {
            let idle = self.idle.notified();
            if self.memory.lock().make_room(&model.name, self.max_loaded) {
                return;
            }
            idle.await;
        }
    }
}

impl Memory {
    fn named(&mut self, name: &str) -> Option<&mut Resident> {
        self.residents
            .iter_mut()
            .find(|resident| resident.model.name == name)
    }

    fn expire(&mut self) {
        let now = Instant::now();
        self.residents
            .retain(|r| r.users > 0 || r.expires.is_none_or(|at| at > now));
    }

    /// Whether there is room now.
    fn make_room(&mut self, name: &str, max_loaded: usize) -> bool {
        self.expire();
        self.residents
            .retain(|resident| resident.model.name != name || resident.users > 0);
        if self.named(name).is_some() {
            return false;
        }
        while self.residents.len() >= max_loaded {
            let idle = self
                .residents
                .iter()
                .enumerate()
                .filter(|(_, resident)| resident.users == 0);
            let Some((first, _)) = idle.min_by_key(|(_, r)| (r.expires.is_none(), r.expires)) else {
                return false;
            };
            self.residents.remove(first);
        }
        true
    }
}

impl Resident {
    /// A model that is about to be loaded for its first user.
    fn new(model: &FakeModel, context: u64, keep_alive: KeepAlive) -> Self {
        let expires = leaves(keep_alive);
        Self {
            model: model.clone(),
            context,
            keep_alive,
            expires,
            users: 1,
            ready: false,
        }
    }

    /// One user less; the time to leave is counted from the last.
    fn rest(&mut self) {
        self.users = self.users.saturating_sub(1);
        self.expires = leaves(self.keep_alive);
    }

    fn listed(&self, left: Duration) -> Value {
        json!({
            "name": self.model.name,
            "model": self.model.name,
            "size": self.model.size,
            "digest": self.model.digest,
            "details": self.model.details(),
            "expires_at": stamp::local(SystemTime::now() + left),
            "size_vram": self.model.vram.unwrap_or(self.model.size),
            "context_length": self.context,
        })
    }
}

/// When a model that was used just now leaves. A time beyond what the clock can count to is never.
fn leaves(keep_alive: KeepAlive) -> Option<Instant> {
    match keep_alive {
        KeepAlive::For(time) => Instant::now().checked_add(time),
        KeepAlive::Forever => None,
    }
}

/// One request's use of a model in memory; dropping it lets the model expire or leave.
#[derive(Debug)]
pub(super) struct Stay {
    name: String,
    residency: Arc<Residency>,
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut memory = self.residency.memory.lock();
        if let Some(resident) = memory.named(&self.name) {
            resident.rest();
            if !resident.ready {
                // The load was abandoned.
                resident.expires = Some(Instant::now());
            }
        }
        memory.expire();
        drop(memory);
        self.residency.idle.notify_waiters();
    }
}

/// One request's place in the queue for loads.
#[derive(Debug)]
struct Waiting(Arc<Residency>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.memory.lock().waiting -= 1;
    }
}
