//! What a connection is doing, as far as its time limits care.
//!
//! The socket and the service note what happens; the connection's driver looks after each poll and keeps the one
//! timer. So the fast path sets no timer at all: hyper's own limit on the head would set one for each request,
//! and would count the time between two requests as well.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use crate::config::settings::Limits;

/// Idle connections are kept a little longer than clients keep theirs (90 s is the usual longest), so that it
/// is rarely we who close one that is about to be used.
const IDLE: Duration = Duration::from_secs(120);

/// How long we go on reading what a refused client still sends, so that it gets to read the refusal: closing
/// with unread bytes would reset the connection under it.
const LINGER: Duration = Duration::from_secs(1);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Between two requests.
    Idle,
    /// Waiting for the rest of a head; a new connection begins here.
    Head,
    /// Serving a request. Its body and its answer have limits of their own.
    Serving,
    /// Answered for the last time; waiting for the client to close.
    Lingering,
}

/// Shared by a connection's socket, service and driver, all within one task: nothing here waits or races.
#[derive(Debug)]
pub(super) struct Watch {
    phase: AtomicU8,
    /// A write waits for the client to read.
    stalled: AtomicBool,
    /// The host stops and waits no longer: what has not begun to answer is to be given up.
    aborted: AtomicBool,
    /// Counts changes, so that the driver reads the clock only when there was one.
    changes: AtomicU32,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            phase: AtomicU8::new(Phase::Head as u8),
            stalled: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            changes: AtomicU32::new(1),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Serving,
            _ => Phase::Lingering,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.changed();
    }

    /// Bytes came in.
    pub(super) fn received(&self) {
        if self.phase() == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// A write got somewhere, or did not.
    pub(super) fn wrote(&self, progress: bool) {
        if self.stalled.load(Ordering::Relaxed) == progress {
            self.stalled.store(!progress, Ordering::Relaxed);
            self.changed();
        }
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// The time for what is in flight is over.
    pub(super) fn abort(&self) {
        self.aborted.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Relaxed)
    }

    pub(super) fn changes(&self) -> u32 {
        self.changes.load(Ordering::Relaxed)
    }

    /// How long what it is doing now may take, counted from when it began.
    pub(super) fn limit(&self, limits: &Limits) -> Option<Duration> {
        if self.is_stalled() {
            return Some(limits.write_idle_timeout);
        }
        match self.phase() {
            Phase::Idle => Some(IDLE),
            Phase::Head => Some(limits.header_timeout),
            Phase::Serving => None,
            Phase::Lingering => Some(LINGER),
        }
    }

    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_connection_has_the_time_of_a_head() {
        let limits = Limits::default();
        assert_eq!(Watch::new().limit(&limits), Some(limits.header_timeout));
    }

    #[test]
    fn the_first_byte_after_a_pause_begins_a_head_and_later_ones_do_not_prolong_it() {
        let watch = Watch::new();
        watch.enter(Phase::Idle);
        watch.received();
        let begun = watch.changes();
        watch.received();
        assert_eq!((watch.phase(), watch.changes()), (Phase::Head, begun));
    }

    #[test]
    fn serving_has_no_limit_until_the_client_stops_reading() {
        let (watch, limits) = (Watch::new(), Limits::default());
        watch.enter(Phase::Serving);
        assert_eq!(watch.limit(&limits), None);
        watch.wrote(false);
        assert_eq!(watch.limit(&limits), Some(limits.write_idle_timeout));
    }

    #[test]
    fn every_bit_of_progress_begins_a_stall_anew() {
        let watch = Watch::new();
        watch.wrote(false);
        let stalled = watch.changes();
        watch.wrote(false);
        assert_eq!(watch.changes(), stalled);
        watch.wrote(true);
        watch.wrote(false);
        assert_ne!(watch.changes(), stalled);
    }
}
