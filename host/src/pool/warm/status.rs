//! What people see of a warm pool.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use plugin_api::contract::metrics::LatencySnapshot;
use serde::Serialize;

use super::shelf::Shelf;
use crate::pool::core::Core;

/// A warm pool at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WarmStatus {
    /// Unused resources kept ready of each kind.
    pub min_idle: u32,
    /// The most resources of all kinds.
    pub max: u32,
    /// How many there are, those that are starting or stopping included.
    pub total: u32,
    /// How many of them are being stopped.
    pub stopping: u32,
    /// Requests that wait for one.
    pub waiting: usize,
    /// Requests that found one ready.
    pub hits: u64,
    /// Requests that had to wait for one.
    pub misses: u64,
    /// How long starts took that succeeded.
    pub starts: LatencySnapshot,
    /// Starts that failed.
    pub start_failures: u64,
    /// How many were thrown away, by reason.
    pub discarded: BTreeMap<&'static str, u64>,
    /// Each kind, by the name of its specification.
    pub shelves: Vec<ShelfStatus>,
}

/// The resources of one specification.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShelfStatus {
    /// A short hash of the specification; the same in every run.
    pub specification: String,
    /// The name or image that stands in it. The rest may hold secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How many are ready, for anybody or for whoever has used them before.
    pub idle: usize,
    /// How many of those nobody has used yet.
    pub unused: usize,
    /// How many are in use, or being made as good as new.
    pub busy: usize,
    /// How many are being started.
    pub starting: u32,
    /// How many unused ones should be ready.
    pub target: u32,
    /// Whether it is kept ready even if nobody asks for it.
    pub kept: bool,
    /// Requests that wait for one.
    pub waiting: usize,
    /// Requests that found one ready.
    pub hits: u64,
    /// Requests that had to wait for one.
    pub misses: u64,
    /// Why the last start failed, where none has succeeded since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Core {
    pub(in crate::pool) fn warm_status(&self) -> WarmStatus {
        let (seats, counters) = (&self.warm.seats, &self.warm.counters);
        let now = self.clock.now();
        let min_idle = seats.min_idle();
        let mut shelves: Vec<_> = self
            .warm
            .shelves
            .lock()
            .iter_mut()
            .map(|shelf| {
                let target = shelf.target(min_idle, self.settings.warm.idle_timeout, now);
                shelf_status(shelf, target)
            })
            .collect();
        shelves.sort_by(|one, other| one.specification.cmp(&other.specification));
        WarmStatus {
            min_idle,
            max: seats.max(),
            total: seats.taken(),
            stopping: seats.clearing(),
            waiting: self.warm.waiting(),
            hits: counters.hits(),
            misses: counters.misses(),
            starts: counters.starts(),
            start_failures: counters.start_failures(),
            discarded: counters.discards().collect(),
            shelves,
        }
    }
}

fn shelf_status(shelf: &Shelf, target: u32) -> ShelfStatus {
    let specification = &shelf.specification;
    ShelfStatus {
        specification: specification.name.clone(),
        label: specification.label.clone(),
        idle: shelf.idle.len(),
        unused: shelf.unused().count(),
        busy: shelf.held.len(),
        starting: shelf.starting,
        target,
        kept: shelf.is_kept(),
        waiting: specification.waiting(),
        hits: specification.hits.load(Ordering::Relaxed),
        misses: specification.misses.load(Ordering::Relaxed),
        error: shelf
            .setback
            .as_ref()
            .filter(|setback| !setback.is_lifted())
            .map(|setback| setback.error.message.clone()),
    }
}
