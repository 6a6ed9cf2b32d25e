//! Choosing an instance among the hubs that a provider may use.

use plugin_api::Error;
use plugin_api::contract::requirement::Requirement;
use tokio::time::Instant;

use crate::pool::{Asker, Lease, Pool, Preparation, Refusal, Tried};

/// What is asked for, and by whom.
#[derive(Debug)]
pub struct Asking<'a> {
    /// What the request needs.
    pub requirement: &'a Requirement,
    /// Who asks.
    pub asker: Asker<'a>,
    /// Instances that have failed this request already.
    pub tried: &'a Tried,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
}

/// A lease, and the pool it came from.
#[derive(Debug)]
pub struct Held {
    /// The lease.
    pub lease: Lease,
    /// Where it came from.
    pub pool: Pool,
}

/// An instance that is second best, held until it is known whether there is a better one. One that is not taken up was
/// never a request, and is not counted as one that was cancelled.
struct Offer(Option<Held>);

impl Offer {
    /// The first counts: hubs are in order of preference.
    fn keep(&mut self, held: Held) {
        match &self.0 {
            None => self.0 = Some(held),
            Some(_) => held.lease.unused(),
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        if let Some(held) = self.0.take() {
            held.lease.unused();
        }
    }
}

impl Asking<'_> {
    /// Leases from the first hub that can serve the request now, or waits in the queue of the first that could.
    ///
    /// An instance that has what is needed goes before one that would have to fetch it, and one that has not failed this
    /// request yet before one that has, whatever the order of the hubs. Cancel safe: dropping it leaves the queue.
    ///
    /// # Errors
    /// The refusal that says most: busy before unwell before unknown.
    pub async fn from(&self, pools: &[Pool]) -> Result<Held, Error> {
        let (mut fetching, mut again) = (Offer(None), Offer(None));
        let mut waiting: Option<&Pool> = None;
        let mut refusal: Option<Refusal> = None;
        for pool in pools {
            match pool.try_acquire(self.requirement, &self.asker, self.tried) {
                Ok(lease) => {
                    let held = Held {
                        lease,
                        pool: pool.clone(),
                    };
                    if self.tried.contains(held.lease.key()) {
                        again.keep(held);
                    } else if matches!(held.lease.preparation(), Some(Preparation::Absent)) {
                        fetching.keep(held);
                    } else {
                        return Ok(held);
                    }
                }
                Err(Refusal::AllBusy) => {
                    waiting.get_or_insert(pool);
                }
                Err(other) => {
                    let says_more = refusal.as_ref().is_none_or(|known| {
                        matches!(known, Refusal::Unknown { .. } | Refusal::StartsNothing)
                    });
                    if says_more {
                        refusal = Some(other);
                    }
                }
            }
        }
        if let Some(pool) = waiting {
            drop((fetching, again));
            let lease = pool
                .acquire(self.requirement, &self.asker, self.tried, self.deadline)
                .await?;
            return Ok(Held {
                lease,
                pool: pool.clone(),
            });
        }
        // Better the instance that failed this request before than none, or than a fetch that may take minutes.
        match (again.0.take().or_else(|| fetching.0.take()), refusal) {
            (Some(held), _) => Ok(held),
            (None, Some(refusal)) => Err(refusal.into()),
            (None, None) => Err(Error::new(
                plugin_api::ErrorCode::NOT_AVAILABLE,
                plugin_api::Fault::Host,
                "this provider is bound to no hub",
            )
            .hint("name its hubs in plugins.toml: hubs = [\"…\"]")),
        }
    }
}
