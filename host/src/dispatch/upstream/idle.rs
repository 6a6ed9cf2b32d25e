//! Connections at rest, near the thread that will use them again.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use plugin_api::contract::instance::Endpoint;

use super::connection::Connection;
use super::target::{Target, TargetError};

/// A kept connection older than this is closed: below the 75 s and more that servers usually allow, so that
/// the keep-alive race stays rare.
const KEEP: Duration = Duration::from_secs(60);
/// Kept connections for each instance and shard.
const KEEP_MOST: usize = 64;
/// Each thread works on a shard of its own, as long as there are no more threads than shards.
const SHARDS: usize = 32;

/// Connections at rest, by instance.
pub(super) struct Idle {
    /// Locked for a lookup and never across an await; contended only by the sweep.
    shards: [Mutex<Places>; SHARDS],
}

/// What a shard knows, by the instances' keys.
type Places = HashMap<u64, Place, BuildHasherDefault<Counted>>;

/// Spreads keys that the engine counts up: nobody outside chooses them, so they need no guard against being chosen badly.
#[derive(Default)]
struct Counted(u64);

impl Hasher for Counted {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// What a shard knows of an instance.
struct Place {
    endpoint: Endpoint,
    target: Arc<Target>,
    resting: Vec<Connection>,
    used: Instant,
}

impl Default for Idle {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Idle {
    /// The shard of this thread. A connection's readiness is reported to the thread that opened it, so it should
    /// be used there again.
    fn shard(&self) -> &Mutex<Places> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static MINE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        &self.shards[MINE.get()]
    }

    /// The parsed endpoint. One that has changed closes what rests at the old.
    pub(super) fn target(&self, key: u64, endpoint: &Endpoint) -> Result<Arc<Target>, TargetError> {
        let mut shard = self.shard().lock();
        if let Some(place) = shard.get_mut(&key)
            && place.endpoint == *endpoint
        {
            place.used = Instant::now();
            return Ok(place.target.clone());
        }
        let target = Arc::new(Target::parse(endpoint)?);
        let place = Place {
            endpoint: endpoint.clone(),
            target: target.clone(),
            resting: Vec::new(),
            used: Instant::now(),
        };
        let old = shard.insert(key, place);
        drop(shard); // Closing sockets is a system call each; not under the lock.
        drop(old);
        Ok(target)
    }

    /// The most recently used connection that is still open.
    pub(super) fn check_out(&self, key: u64) -> Option<Connection> {
        loop {
            let mut connection = self.shard().lock().get_mut(&key)?.resting.pop()?;
            if connection.rested.elapsed() < KEEP && connection.is_reusable() {
                return Some(connection);
            }
        }
    }

    pub(super) fn check_in(&self, key: u64, connection: Connection) {
        let mut shard = self.shard().lock();
        if let Some(place) = shard.get_mut(&key)
            && place.resting.len() < KEEP_MOST
        {
            place.resting.push(connection);
        }
    }

    pub(super) fn sweep(&self) {
        for shard in &self.shards {
            let mut closing = Vec::new();
            let mut shard = shard.lock();
            shard.retain(|_, place| {
                closing.extend(
                    place
                        .resting
                        .extract_if(.., |kept| kept.rested.elapsed() >= KEEP || !kept.is_reusable()),
                );
                !place.resting.is_empty() || place.used.elapsed() < KEEP
            });
            drop(shard); // Closing sockets is a system call each; not under the lock.
            drop(closing);
        }
    }
}
