//! Keepers: a task for each allocation, which ends it when its time is over and tells when it loses something.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;

use super::book::Allocations;
use super::ending::Ended;
use super::record::Shared;
use crate::pool::events::kind;

impl Allocations {
    /// Looks after an allocation until it has ended.
    pub(super) async fn keep(self: Arc<Self>, allocation: Shared) {
        let watch = |(index, watch): (usize, crate::pool::LossWatch)| async move {
            watch.lost().await;
            (index, watch.reason())
        };
        let watches = allocation.resources.iter().map(|resource| resource.watch.clone());
        let mut losses: FuturesUnordered<_> = watches.enumerate().map(watch).collect();
        loop {
            let changed = allocation.changed.notified();
            if allocation.has_ended() {
                return;
            }
            let expires = allocation.expires();
            tokio::select! {
                () = changed => {}
                () = self.clock.sleep_until(expires) => {
                    // It may have been renewed at the last moment.
                    if allocation.expires() <= self.clock.now() {
                        self.end(&allocation, Ended::Expired);
                        return;
                    }
                }
                Some((index, reason)) = losses.next() => self.note_loss(&allocation, index, reason),
            }
        }
    }

    fn note_loss(&self, allocation: &Shared, index: usize, reason: String) {
        let resource = &allocation.resources[index];
        self.count(|tally| tally.lost += 1);
        let data = json!({
            "allocation": allocation.id,
            "principal": allocation.principal,
            "reason": reason,
        });
        allocation.note_loss(index, reason);
        let events = &self.events;
        events.emit(kind::ALLOCATION_LOST, &resource.hub, Some(resource.id()), data);
    }
}
