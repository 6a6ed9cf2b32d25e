//! The retry budget: so that retries help a fleet with one bad instance and do not bury one that is drowning.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use plugin_api::contract::time::Tick;

use crate::config::settings::RetrySettings;

/// What one retry costs, in the unit of the balance.
const RETRY: i64 = 1_000_000;
/// How much time's worth of credit is kept.
const KEPT: Duration = Duration::from_secs(10);

/// A token bucket: every request puts in a share of a retry, every second puts in a minimum, a retry takes one out.
/// Lock-free.
#[derive(Debug)]
pub(super) struct Budget {
    balance: AtomicI64,
    /// Up to when the minimum has been paid in, in nanoseconds.
    paid: AtomicU64,
    per_request: i64,
    per_second: i64,
    most: i64,
}

impl Budget {
    pub(super) fn new(settings: &RetrySettings, now: Tick) -> Self {
        let share = if settings.budget.is_finite() {
            settings.budget.clamp(0.0, 100.0)
        } else {
            0.0
        };
        let per_second = i64::from(settings.minimum_per_second).saturating_mul(RETRY);
        // A quiet pool starts with a second's worth; a busy one may save up a burst of a hundred requests' share.
        let per_request = (share * RETRY as f64) as i64;
        let most = per_second
            .saturating_mul(KEPT.as_secs() as i64)
            .saturating_add(per_request * 100)
            .max(per_request);
        Self {
            balance: AtomicI64::new(per_second),
            paid: AtomicU64::new(now.as_nanos()),
            per_request,
            per_second,
            most,
        }
    }

    /// A request was made: pays its share in.
    #[inline]
    pub(super) fn deposit(&self) {
        if self.per_request > 0 && self.balance.load(Ordering::Relaxed) < self.most {
            self.balance.fetch_add(self.per_request, Ordering::Relaxed);
        }
    }

    /// A request that had paid in was none after all.
    pub(super) fn take_back(&self) {
        // A deposit that found the budget full is taken back all the same: a share too few, in the safe direction.
        self.balance.fetch_sub(self.per_request, Ordering::Relaxed);
    }

    /// Takes one retry out, if there is one.
    pub(super) fn withdraw(&self, now: Tick) -> bool {
        self.pay_minimum(now);
        self.balance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| {
                (balance >= RETRY).then(|| balance.min(self.most) - RETRY)
            })
            .is_ok()
    }

    fn pay_minimum(&self, now: Tick) {
        let paid = self.paid.load(Ordering::Relaxed);
        let due = now.since(Tick::from_nanos(paid)).min(KEPT);
        let amount = (self.per_second as f64 * due.as_secs_f64()) as i64;
        // Whoever moves the mark pays; anybody else's share is in that payment.
        if amount > 0
            && self
                .paid
                .compare_exchange(paid, now.as_nanos(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            let _ = self
                .balance
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| {
                    Some(balance.saturating_add(amount).min(self.most))
                });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plugin_api::contract::time::Tick;

    use super::Budget;
    use crate::config::settings::RetrySettings;

    fn budget(share: f64, minimum_per_second: u32) -> Budget {
        let settings = RetrySettings {
            budget: share,
            minimum_per_second,
            ..RetrySettings::default()
        };
        Budget::new(&settings, Tick::START)
    }

    fn withdrawn(budget: &Budget, now: Tick) -> usize {
        (0..10_000).take_while(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn retries_are_a_share_of_requests() {
        let budget = budget(0.2, 0);
        (0..50).for_each(|_| budget.deposit());
        assert_eq!(withdrawn(&budget, Tick::START), 10);
    }

    #[test]
    fn a_quiet_pool_may_always_retry_a_little() {
        let budget = budget(0.0, 10);
        let now = Tick::START;
        assert_eq!(withdrawn(&budget, now), 10);
        assert_eq!(withdrawn(&budget, now.after(Duration::from_millis(500))), 5);
        assert_eq!(
            withdrawn(&budget, now.after(Duration::from_secs(3600))),
            100,
            "credit is bounded"
        );
    }

    #[test]
    fn without_a_budget_there_are_no_retries() {
        let budget = budget(0.0, 0);
        (0..50).for_each(|_| budget.deposit());
        assert_eq!(withdrawn(&budget, Tick::START.after(Duration::from_secs(99))), 0);
    }

    #[test]
    fn nonsense_in_the_settings_is_no_budget() {
        assert_eq!(withdrawn(&budget(f64::NAN, 0), Tick::START), 0);
        assert_eq!(withdrawn(&budget(-3.0, 0), Tick::START), 0);
    }
}
