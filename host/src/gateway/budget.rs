//! Budgets of bytes: how much all request bodies, all answers, or the answers of one batch may hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// So many bytes at once, whoever holds them.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicU64,
    limit: u64,
    /// What is held of this one is held of that one as well.
    whole: Option<Arc<Budget>>,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicU64::new(0),
            limit,
            whole: None,
        })
    }

    /// So much of it at most, for one of those who share it.
    pub(super) fn part(self: &Arc<Self>, limit: u64) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicU64::new(0),
            limit,
            whole: Some(self.clone()),
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

    fn take(&self, bytes: u64) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.limit
            && self.whole.as_ref().is_none_or(|whole| whole.take(bytes));
        if !fits {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.give_back(bytes);
        }
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
        let taken = self.budget.take(bytes);
        if taken {
            self.held += bytes;
        }
        taken
    }

    /// The bytes, which hold the share for as long as any part of them lives: also while a retry may still
    /// need them, long after the request was handed on.
    pub(super) fn bind(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _share: self })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give_back(self.held);
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
    fn a_part_is_bounded_by_itself_and_by_the_whole() {
        let whole = Budget::new(10);
        let (first, second) = (whole.part(6), whole.part(6));
        let (mut one, mut other) = (first.share(), second.share());
        assert!(one.grow(6) && !one.grow(1));
        assert!(!other.grow(5) && other.grow(4));
        assert_eq!((first.used(), second.used(), whole.used()), (6, 4, 10));
        drop(one);
        assert_eq!((first.used(), whole.used()), (0, 4));
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
