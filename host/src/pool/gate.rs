//! The gate of an instance: how many requests are in flight, and everything that keeps further ones out.
//!
//! Both are in one atomic word, so that no request can slip in after a drain began, two cannot share the last
//! free place, and whoever lets the last request out of a closed instance knows that it was the last.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Why an instance takes no request: one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed(u64);

impl Closed {
    /// Its first probe has not ended yet, or it is being started.
    pub(super) const STARTING: Closed = Closed(1 << 32);
    /// Its probes fail.
    pub(super) const UNHEALTHY: Closed = Closed(1 << 33);
    /// The operator, or its disappearance, drains it.
    pub(super) const DRAINING: Closed = Closed(1 << 34);
    /// It asked to be left alone for a while.
    pub(super) const RESTING: Closed = Closed(1 << 35);
    /// Its breaker is open, or half-open with every probe slot taken.
    pub(super) const BREAKER: Closed = Closed(1 << 36);
    /// It refuses our credentials.
    pub(super) const MISCONFIGURED: Closed = Closed(1 << 37);
    /// It is being stopped, has been, or could not be started.
    pub(super) const STOPPED: Closed = Closed(1 << 38);
    /// It is not in the registry any more. Never opened again.
    pub(super) const REMOVED: Closed = Closed(1 << 39);
    /// Somebody has it for himself. Whoever wants it too waits, as if it were full.
    pub(super) const ALLOCATED: Closed = Closed(1 << 40);

    /// Whether every bit of `other` is set.
    pub(super) fn has(self, other: Closed) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether no reason other than these is set.
    pub(super) fn only(self, others: &[Closed]) -> bool {
        others.iter().fold(self.0, |left, other| left & !other.0) == 0
    }

    /// Whether nothing keeps requests out.
    pub(super) fn is_open(self) -> bool {
        self.0 == 0
    }
}

const COUNT: u64 = u32::MAX as u64;

/// See the module. Every method may be called from any thread.
#[derive(Debug)]
pub(super) struct Gate {
    /// Low half: requests in flight. High half: the bits of [`Closed`].
    word: AtomicU64,
    /// How many requests it takes at once; `u32::MAX` is without limit.
    limit: AtomicU32,
}

/// What a gate says at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) in_flight: u32,
    pub(super) closed: Closed,
    pub(super) limit: u32,
}

impl Reading {
    /// Whether a request could enter.
    pub(super) fn open(self) -> bool {
        self.closed.is_open() && self.in_flight < self.limit
    }

    /// Whether it takes no more requests for good, or until an operator says otherwise.
    pub(super) fn leaving(self) -> bool {
        self.closed.has(Closed::DRAINING) || self.closed.has(Closed::REMOVED)
    }

    /// Whether it is only its own load that keeps requests out.
    pub(super) fn full(self) -> bool {
        self.in_flight >= self.limit
    }
}

impl Gate {
    /// A gate that is closed for these reasons.
    pub(super) fn new(closed: Closed, limit: Option<u32>) -> Self {
        Self {
            word: AtomicU64::new(closed.0),
            limit: AtomicU32::new(limit.unwrap_or(u32::MAX)),
        }
    }

    /// What it says now.
    #[inline]
    pub(super) fn read(&self) -> Reading {
        self.reading(self.word.load(Ordering::SeqCst))
    }

    #[inline]
    fn reading(&self, word: u64) -> Reading {
        Reading {
            in_flight: (word & COUNT) as u32,
            closed: Closed(word & !COUNT),
            limit: self.limit.load(Ordering::Relaxed),
        }
    }

    /// Lets one request in, if nothing keeps it out. The reading is the one after it.
    #[inline]
    pub(super) fn enter(&self) -> Option<Reading> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if !self.reading(word).open() {
                return None;
            }
            match self
                .word
                .compare_exchange_weak(word, word + 1, Ordering::SeqCst, Ordering::Relaxed)
            {
                Ok(_) => return Some(self.reading(word + 1)),
                Err(now) => word = now,
            }
        }
    }

    /// Lets one request out; each one that entered leaves once. The reading is the one after it.
    #[inline]
    pub(super) fn leave(&self) -> Reading {
        let before = self.word.fetch_sub(1, Ordering::SeqCst);
        debug_assert!(before & COUNT > 0, "a request left that never entered");
        self.reading(before.wrapping_sub(1))
    }

    /// Closes it for this reason; `true` if it was not closed for it before.
    pub(super) fn close(&self, reason: Closed) -> bool {
        self.word.fetch_or(reason.0, Ordering::SeqCst) & reason.0 == 0
    }

    /// Takes the reason away; `true` if it was closed for it before.
    pub(super) fn open(&self, reason: Closed) -> bool {
        self.word.fetch_and(!reason.0, Ordering::SeqCst) & reason.0 != 0
    }

    /// Closes or opens.
    pub(super) fn set(&self, reason: Closed, closed: bool) -> bool {
        if closed {
            self.close(reason)
        } else {
            self.open(reason)
        }
    }

    /// Changes the limit; requests in flight beyond a lower one finish.
    pub(super) fn limit(&self, limit: Option<u32>) {
        self.limit.store(limit.unwrap_or(u32::MAX), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
