//! Asking for an instance: at once, or waiting for it.

use plugin_api::contract::requirement::Requirement;
use plugin_api::contract::time::Tick;
use plugin_api::{Context, Error};
use tokio::time::Instant;

use super::lease::Lease;
use super::pick::{Picked, pick};
use super::refusal::Refusal;
use super::tried::Tried;
use super::warm::Want;
use super::{Asker, Pool, outlook};

impl Pool {
    /// Holds an instance if one can be had at once. Takes no lock and allocates nothing, unless somebody waits in
    /// the queue: then those who wait are served first.
    ///
    /// Instances in `tried` are avoided while others remain.
    ///
    /// # Errors
    /// [`Refusal::AllBusy`] where [`acquire`](Self::acquire) would wait.
    pub fn try_acquire(
        &self,
        requirement: &Requirement,
        asker: &Asker<'_>,
        tried: &Tried,
    ) -> Result<Lease, Refusal> {
        let want = self.want(requirement, asker)?;
        if let Some(lease) = self.at_once(requirement, want.as_ref(), tried) {
            return lease;
        }
        let until = self.until(requirement, None);
        let outcome = if self.core.queue.waiting() == 0 {
            match &want {
                Some(want) => self.core.hopeless_warm(want, until),
                None => outlook::hopeless(&self.core, requirement, until),
            }
        } else {
            match self
                .core
                .line_up(requirement, asker.principal, tried, until, want, false)
            {
                Err(refusal) => Some(refusal),
                Ok(mut waiting) => match waiting.try_answer() {
                    Some(Ok(lease)) => return Ok(lease),
                    Some(Err(refusal)) => Some(refusal),
                    None => None,
                },
            }
        };
        Err(outcome.map_or(Refusal::AllBusy, |refusal| self.core.refused(refusal)))
    }

    /// Holds an instance, waiting in the queue if all that would do are busy, until `deadline` or the queue's own
    /// limit.
    ///
    /// Cancel safe: dropping the future leaves the queue, and an instance that was granted meanwhile goes to the
    /// next. Needs a tokio runtime with timers, not necessarily the pool's.
    ///
    /// # Errors
    /// Every [`Refusal`] but [`Refusal::AllBusy`].
    pub async fn acquire(
        &self,
        requirement: &Requirement,
        asker: &Asker<'_>,
        tried: &Tried,
        deadline: Option<Instant>,
    ) -> Result<Lease, Refusal> {
        let want = self.want(requirement, asker)?;
        if let Some(lease) = self.at_once(requirement, want.as_ref(), tried) {
            return lease;
        }
        let begun = self.core.clock.now();
        let until = self.until(requirement, deadline);
        let mut waiting = self
            .core
            .line_up(requirement, asker.principal, tried, until, want.clone(), true)
            .map_err(|refusal| self.core.refused(refusal))?;
        let answer = tokio::select! {
            biased;
            answer = waiting.answer() => answer,
            () = self.core.clock.sleep_until(until) => {
                let waited = self.core.clock.now().since(begun);
                Err(self.core.waited_in_vain(want.as_ref(), waited))
            }
        };
        answer.map_err(|refusal| self.core.refused(refusal))
    }

    #[inline]
    fn want(&self, requirement: &Requirement, asker: &Asker<'_>) -> Result<Option<Want>, Refusal> {
        self.core
            .want(requirement, asker.principal)
            .map_err(|refusal| self.core.refused(refusal))
    }

    /// The quick way, open while nobody waits. `None`: no instance at once, or others were there first.
    #[inline]
    fn at_once(
        &self,
        requirement: &Requirement,
        want: Option<&Want>,
        tried: &Tried,
    ) -> Option<Result<Lease, Refusal>> {
        if self.core.is_closed() {
            return Some(Err(self.core.refused(Refusal::Closed)));
        }
        if self.core.queue.waiting() > 0 {
            return None;
        }
        if let Some(want) = want {
            return Some(Ok(self.core.take_warm(want)?.hand_over(tried)));
        }
        match pick(&self.core, requirement, tried, 0) {
            Picked::Lease(lease) => Some(Ok(lease.hand_over(tried))),
            Picked::Busy | Picked::Nobody => None,
        }
    }

    fn until(&self, requirement: &Requirement, deadline: Option<Instant>) -> Tick {
        let clock = &self.core.clock;
        let limit = requirement.queue_timeout.unwrap_or(self.core.patience());
        let until = clock.now().after(limit);
        deadline.map_or(until, |deadline| clock.tick(deadline.into_std()).min(until))
    }

    /// Does what [`Lease::preparation`] says, together with whoever waits for the same; at once where there is
    /// nothing to do. Afterwards the capability counts as loaded.
    ///
    /// Dropping the future cancels nothing: the work is the hub's own. The context's request is named in the logs.
    ///
    /// # Errors
    /// The hub's own, or it took too long.
    pub async fn prepare(
        &self,
        lease: &Lease,
        requirement: &Requirement,
        context: Context,
    ) -> Result<(), Error> {
        self.core.prepare(lease, requirement, &context).await
    }

    /// Takes a retry from the budget; `false` if it is used up.
    pub fn retry_allowed(&self) -> bool {
        let allowed = self.core.budget.withdraw(self.core.clock.now());
        match allowed {
            true => self.core.metrics.retried(),
            false => self.core.metrics.retry_denied(),
        }
        allowed
    }
}
