//! Warm pools: resources that the hub starts ahead of need, for requests that say how one is to be started.
//!
//! A request with a [`specification`](Requirement::specification) gets a resource that was started by exactly that one, to
//! itself, and one that nobody else has ever used. It comes off a shelf if one is ready; otherwise the request waits
//! in the ordinary queue while one is started, or until one comes back.
//!
//! | part | it is |
//! | --- | --- |
//! | `specification`, `shelf`, `shelves` | what is ready, by the specification it was started with |
//! | `seats` | how many there may be, whatever is under way |
//! | `demand`, `setback` | how many should be ready; when a start that failed is tried again |
//! | `want`, `held` | from a request to a resource, and back |
//! | `keep` | what is kept ready although nobody asks for it |
//! | `provide`, `stock` | what to start and stop: for those who wait, and ahead of need |
//! | `share` | whose resource makes room for whom |
//! | `start`, `discard`, `expel` | doing it, outside of every lock |
//! | `status`, `counters` | what is shown |
//!
//! # Locks
//!
//! The shelves' lock comes after the queue's and before a slot's own; the registry's is never taken under it. It is held
//! for lookups only. What follows from them (starts, stops, events) is handed out of it as [`Chores`](stock::Chores).

mod counters;
mod demand;
mod discard;
mod expel;
mod held;
mod keep;
mod provide;
mod seats;
mod setback;
mod share;
mod shelf;
mod shelves;
mod specification;
mod start;
mod status;
mod stock;
mod want;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use plugin_api::Error;
use plugin_api::contract::requirement::Requirement;

use self::counters::Counters;
use self::expel::Strays;
pub(super) use self::held::Held;
pub use self::keep::KeptWarm;
use self::seats::Seats;
use self::shelves::Shelves;
pub(super) use self::specification::Specification;
pub use self::status::{ShelfStatus, WarmStatus};
pub(super) use self::stock::Chores;
pub(super) use self::want::{Want, Wish};
use super::Pool;
use super::alarm::Alarm;
use crate::config::settings::WarmSettings;

/// The warm resources of one hub.
#[derive(Debug)]
pub(super) struct Warm {
    shelves: Mutex<Shelves>,
    seats: Arc<Seats>,
    /// How many requests wait in the queue for a warm resource.
    waiting: Arc<AtomicUsize>,
    /// Rings when something on the shelves is due.
    alarm: Alarm,
    counters: Counters,
    strays: Strays,
    /// Whether the hub can start anything.
    able: bool,
}

impl Warm {
    /// Empty shelves. `able`: the hub can start something.
    pub(super) fn new(settings: &WarmSettings, able: bool) -> Self {
        Self {
            shelves: Mutex::default(),
            seats: Seats::new(settings.min_idle, settings.max),
            waiting: Arc::default(),
            alarm: Alarm::default(),
            counters: Counters::default(),
            strays: Strays::default(),
            able,
        }
    }

    pub(super) fn is_able(&self) -> bool {
        self.able
    }

    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

impl Pool {
    /// Keeps resources of the requirement's specification ready, as many as the settings say, until what it answers is
    /// dropped.
    ///
    /// # Errors
    /// It has no specification, the hub starts nothing, or it is shutting down.
    pub fn warm(&self, requirement: &Requirement) -> Result<KeptWarm, Error> {
        match self.core.want(requirement, "")? {
            Some(want) => Ok(KeptWarm::new(&self.core, want.specification)),
            None => Err(Error::invalid(
                "only what has a `specification` can be kept ready",
            )),
        }
    }

    /// From now on at least `min_idle` unused resources of each kind are kept ready, and there are at most `max` of all
    /// kinds. What is beyond that is stopped as soon as nobody uses it.
    pub fn set_warm_bounds(&self, min_idle: u32, max: u32) {
        self.core.warm.seats.set_bounds(min_idle, max);
        self.core.reconsider();
        self.core.tend();
    }

    /// What is ready, in use and under way; `None` where the hub starts nothing.
    pub fn warm_status(&self) -> Option<WarmStatus> {
        self.core.warm.able.then(|| self.core.warm_status())
    }
}
