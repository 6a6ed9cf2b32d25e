//! Budgets of bytes: how much all request bodies, all answers, or the answers of one batch may hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// So many bytes at once, whoever holds them.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicU64,
    limit: u64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicU64::new(0),
            limit,
        })
    }

    /// A share of it, empty at first.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share {
            budget: self.clone(),
            held: 0,
        }
    }

    /// The bytes, which count until the last part of them is gone; `None` when there is no room for them.
    pub(super) fn hold(self: &Arc<Self>, bytes: Bytes) -> Option<Bytes> {
        let mut share = self.share();
        share.grow(bytes.len() as u64).then(|| share.bind(bytes))
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// One holder's part of the budget, given back on drop.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    held: u64,
}

impl Share {
    /// Takes so many bytes more; `false` when they are not to be had.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let before = self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.budget.limit {
            self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.held += bytes;
        true
    }

    /// The bytes, which hold the share for as long as any part of them lives: also while a retry may still
    /// need them, long after the request was handed on.
    pub(super) fn bind(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _share: self })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.held, Ordering::Relaxed);
    }
}

struct Held {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_together_never_pass_the_limit() {
        let budget = Budget::new(10);
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.grow(6));
        assert!(!second.grow(5));
        assert!(second.grow(4));
        drop(first);
        assert_eq!(budget.used(), 4);
    }

    #[test]
    fn bytes_hold_their_share_until_their_last_part_is_gone() {
        let budget = Budget::new(10);
        let mut share = budget.share();
        assert!(share.grow(5));
        let bytes = share.bind(Bytes::from_static(b"hello"));
        let part = bytes.slice(1..2);
        drop(bytes);
        assert_eq!((budget.used(), &part[..]), (5, b"e".as_slice()));
        drop(part);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_is_not_held_costs_nothing() {
        let budget = Budget::new(5);
        let first = budget.hold(Bytes::from_static(b"four")).unwrap();
        assert!(budget.hold(Bytes::from_static(b"two")).is_none());
        assert_eq!(budget.used(), 4);
        drop(first);
        assert_eq!(budget.used(), 0);
    }
}
