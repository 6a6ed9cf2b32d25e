//! Ending an allocation: by whoever has it, by the clock, with the host.

use plugin_api::Error;
use serde_json::{Value, json};

use super::book::{Allocations, unknown};
use super::record::Shared;
use crate::manager::Who;
use crate::pool::events::kind;

/// How an allocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended<'a> {
    /// By whoever is named. What it used may be used again by the same principal, unless it says otherwise.
    Released {
        /// Who released it.
        by: &'a str,
        /// Resources of a warm pool are thrown away.
        discard: bool,
    },
    /// Its time was over. Its holder may still be at it.
    Expired,
    /// The host stops.
    HostStops,
}

impl Allocations {
    /// Gives an allocation back.
    ///
    /// # Errors
    /// As [`renew`](Self::renew).
    pub fn release(&self, id: &str, discard: bool, who: &Who) -> Result<Value, Error> {
        let allocation = self.of(id, who)?;
        let ended = Ended::Released {
            by: &who.principal,
            discard,
        };
        match self.end(&allocation, ended) {
            true => Ok(json!({ "allocation": id, "released": true })),
            false => Err(unknown(id)),
        }
    }

    /// Makes no more, and gives back all there are. Idempotent.
    pub fn close(&self) {
        let current: Vec<_> = {
            let mut book = self.book.lock();
            book.closed = true;
            book.current.values().cloned().collect()
        };
        for allocation in current {
            self.end(&allocation, Ended::HostStops);
        }
    }

    /// Ends an allocation, once. Whether it was us.
    pub(super) fn end(&self, allocation: &Shared, how: Ended<'_>) -> bool {
        let clean = matches!(how, Ended::Released { discard: false, .. });
        if !allocation.end(clean) {
            return false;
        }
        {
            let mut book = self.book.lock();
            book.current.remove(&allocation.id);
            match how {
                Ended::Expired => book.tally.expired += 1,
                Ended::Released { .. } | Ended::HostStops => book.tally.released += 1,
            }
        }
        let (kind, by) = match how {
            Ended::Expired => (kind::ALLOCATION_EXPIRED, None),
            Ended::Released { by, .. } => (kind::ALLOCATION_RELEASED, Some(by)),
            Ended::HostStops => (kind::ALLOCATION_RELEASED, Some("the host, which stops")),
        };
        let data = json!({
            "allocation": allocation.id,
            "principal": allocation.principal,
            "hubs": allocation.hubs(),
            "by": by,
        });
        self.events.emit(kind, "", None, data);
        for resource in &allocation.resources {
            let data = || json!({ "allocation": allocation.id, "principal": allocation.principal });
            self.events
                .emit_to_followers(kind::LEASE_RELEASED, &resource.hub, Some(resource.id()), data);
        }
        true
    }
}
