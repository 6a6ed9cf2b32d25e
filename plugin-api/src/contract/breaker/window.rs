//! A sliding window over outcomes: how many requests of late, and how many of them failed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::BreakerPolicy;
use crate::contract::time::{Tick, nanos};

/// The window is so many buckets wide, and slides by one bucket at a time. Six of them, the width of one and the
/// breaker's state fill a cache line.
const BUCKETS: usize = 6;

/// Counts in a ring of buckets, each one atomic word: thirty-two bits that say which span of time it counts,
/// sixteen of requests, sixteen of failures. A bucket from a past round is overwritten by whoever finds it.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Window {
    /// Nanoseconds that one bucket covers. At least a sixth of a second, so spans last 22 years.
    span: u64,
    buckets: [AtomicU64; BUCKETS],
}

#[derive(Clone, Copy)]
struct Bucket {
    span: u32,
    requests: u16,
    failures: u16,
}

impl Bucket {
    fn pack(self) -> u64 {
        u64::from(self.span) << 32 | u64::from(self.requests) << 16 | u64::from(self.failures)
    }

    fn unpack(word: u64) -> Self {
        Self {
            span: (word >> 32) as u32,
            requests: (word >> 16) as u16,
            failures: word as u16,
        }
    }

    /// One more. A full bucket is halved: the share of failures, which is what counts, stays.
    fn with(self, failed: bool) -> Self {
        let full = self.requests == u16::MAX;
        let (requests, failures) = match full {
            true => (self.requests / 2, self.failures / 2),
            false => (self.requests, self.failures),
        };
        Self {
            span: self.span,
            requests: requests + 1,
            failures: failures + u16::from(failed),
        }
    }
}

impl Window {
    pub(super) fn new(width: Duration) -> Self {
        Self {
            span: (nanos(width) / BUCKETS as u64).max(1),
            buckets: Default::default(),
        }
    }

    /// Spans are numbered from one, so that an empty word belongs to none.
    fn number(&self, now: Tick) -> u64 {
        now.as_nanos() / self.span + 1
    }

    pub(super) fn record(&self, now: Tick, failed: bool) {
        let number = self.number(now);
        let bucket = &self.buckets[(number % BUCKETS as u64) as usize];
        let span = number as u32;
        let mut word = bucket.load(Ordering::Relaxed);
        loop {
            let mut counted = Bucket::unpack(word);
            if counted.span != span {
                counted = Bucket {
                    span,
                    requests: 0,
                    failures: 0,
                };
            }
            match bucket.compare_exchange_weak(
                word,
                counted.with(failed).pack(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(current) => word = current,
            }
        }
    }

    /// Requests and failures in the window.
    pub(super) fn totals(&self, now: Tick) -> (u32, u32) {
        let newest = self.number(now) as u32;
        self.buckets
            .iter()
            .map(|bucket| Bucket::unpack(bucket.load(Ordering::Relaxed)))
            .filter(|bucket| newest.wrapping_sub(bucket.span) < BUCKETS as u32)
            .fold((0, 0), |(requests, failures), bucket| {
                (
                    requests + u32::from(bucket.requests),
                    failures + u32::from(bucket.failures),
                )
            })
    }

    pub(super) fn rate_exceeded(&self, now: Tick, policy: &BreakerPolicy) -> bool {
        let (requests, failures) = self.totals(now);
        requests >= policy.minimum_requests && f64::from(failures) >= policy.error_rate * f64::from(requests)
    }

    pub(super) fn clear(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Ordering::Relaxed);
        }
    }
}
