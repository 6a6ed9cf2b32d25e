//! Leases that a component holds, by the number it knows them by.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;
use plugin_api::host::LeaseGrant;
use plugin_api::{Context, Error};
use tokio::time::Instant;

use super::ComponentServices;
use crate::manager::Asking;
use crate::pool::{Asker, Lease, Tried};

/// Leases that a component holds.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// Never locked across an await.
    held: Mutex<HashMap<u64, Lease>>,
    last: AtomicU64,
}

impl Leases {
    fn keep(&self, lease: Lease) -> u64 {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.held.lock().insert(number, lease);
        number
    }

    /// Releases all of them.
    pub(super) fn clear(&self) {
        // Dropped outside the lock: a release may wake others that ask us in turn.
        let held = std::mem::take(&mut *self.held.lock());
        drop(held);
    }
}

impl ComponentServices {
    pub(super) async fn take_lease(
        &self,
        context: &Context,
        requirement: &Requirement,
    ) -> Result<LeaseGrant, Error> {
        let dispatcher = self.dispatcher()?;
        let pools = self.pools_for(&dispatcher.manager, requirement)?;
        let mut wanted = requirement.clone();
        dispatcher.callers.behind(context).shape(&mut wanted)?;
        let requirement = &wanted;
        let asking = Asking {
            requirement,
            asker: Asker {
                principal: &context.principal,
            },
            tried: &Tried::default(),
            deadline: context.remaining().map(|left| Instant::now() + left),
        };
        let held = asking.from(&pools).await?;
        if held.lease.preparation().is_some() {
            held.pool
                .prepare(&held.lease, requirement, context.clone())
                .await?;
        }
        let mut grant = LeaseGrant {
            lease: 0,
            hub: held.pool.name().to_owned(),
            instance: held.lease.instance().as_ref().clone(),
            queued: held.lease.queued(),
            uses: held.lease.uses(),
        };
        grant.lease = self.leases.keep(held.lease);
        Ok(grant)
    }

    pub(super) fn end_lease(&self, lease: u64, outcome: Outcome) {
        let held = self.leases.held.lock().remove(&lease);
        if let Some(lease) = held {
            lease.finish(outcome);
        }
    }
}
