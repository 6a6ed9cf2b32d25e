//! Throwing a resource away: it is stopped, and only then is its seat free.

use std::sync::Arc;
use std::time::Duration;

use plugin_api::{Error, ErrorCode};
use serde_json::json;

use super::setback::Setback;
use super::shelf::Resource;
use crate::pool::call::bounded;
use crate::pool::core::Core;
use crate::pool::events::kind;
use crate::pool::gate::Closed;
use crate::pool::slot::{Phase, Slot};
use crate::pool::starter::STOP_LIMIT;

/// A stop that failed is tried again after this; then after twice as long each time…
const AGAIN: Duration = Duration::from_secs(1);
/// …up to this.
const LONGEST: Duration = Duration::from_secs(60);
/// Where the pool ends meanwhile, which others wait for, it is tried so often from then on.
const LAST_TRIES: usize = 3;

/// One that is lost sooner than this, and before anybody has used it, counts as one that did not start.
const STILLBORN: Duration = Duration::from_secs(10);

/// Why a resource is thrown away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pool) enum Reason {
    /// Nobody wanted it for long.
    Idle,
    /// It reached its age.
    TooOld,
    /// It has been used as often as it may.
    UsedUp,
    /// Its seat is needed.
    Evicted,
    /// Its last use did not end well, so that nobody knows what is left in it.
    Failed(&'static str),
    /// It is gone, or unwell.
    Lost(String),
    /// An operator asked for it.
    Drained,
    /// It could not be made as good as new.
    NotReset(String),
    /// The pool ends.
    HubStops,
}

impl Reason {
    /// All names, in the order of [`index`](Self::index).
    pub(super) const NAMES: [&'static str; 9] = [
        "idle",
        "too_old",
        "used_up",
        "evicted",
        "failed",
        "lost",
        "drained",
        "not_reset",
        "hub_stops",
    ];

    pub(super) fn index(&self) -> usize {
        match self {
            Reason::Idle => 0,
            Reason::TooOld => 1,
            Reason::UsedUp => 2,
            Reason::Evicted => 3,
            Reason::Failed(_) => 4,
            Reason::Lost(_) => 5,
            Reason::Drained => 6,
            Reason::NotReset(_) => 7,
            Reason::HubStops => 8,
        }
    }

    fn name(&self) -> &'static str {
        Self::NAMES[self.index()]
    }

    fn detail(&self) -> Option<&str> {
        match self {
            Reason::Failed(detail) => Some(detail),
            Reason::Lost(detail) | Reason::NotReset(detail) => Some(detail),
            _ => None,
        }
    }
}

impl Core {
    /// Stops it, and lets go of its seat when that has ended. Not to be called under a lock.
    pub(super) fn discard(self: &Arc<Self>, mut resource: Resource, reason: Reason) {
        resource.seat.clear();
        self.warm.counters.discarded(&reason);
        let data = json!({
            "specification": resource.specification.name,
            "reason": reason.name(),
            "detail": reason.detail(),
            "uses": resource.uses,
        });
        self.emit(kind::RESOURCE_DISCARDED, Some(&resource.slot), data);
        self.spawn(self.clone().throw_away(resource));
    }

    /// It cannot be used any more, as its slot can tell.
    pub(super) fn discard_lost(self: &Arc<Self>, resource: Resource) {
        let now = self.clock.now();
        let reason = self.why_closed(&resource.slot);
        // Otherwise what dies at once would be started again at once, for ever.
        if let Reason::Lost(why) = &reason
            && resource.uses == 0
            && now.since(resource.born) < STILLBORN
        {
            let error = Error::instance(ErrorCode::UNHEALTHY, format!("it ended as soon as it ran: {why}"));
            if let Some(shelf) = self.warm.shelves.lock().get(&resource.specification) {
                shelf.setback = Some(Setback::new(shelf.setback.as_ref(), error, resource.born, now));
            }
        }
        self.discard(resource, reason);
        self.reconsider();
    }

    /// Why a slot that is closed is thrown away.
    pub(super) fn why_closed(&self, slot: &Slot) -> Reason {
        let closed = slot.gate.read().closed;
        match () {
            () if self.is_closed() => Reason::HubStops,
            () if closed.only(&[Closed::DRAINING]) => Reason::Drained,
            () => Reason::Lost(slot.obstacle(self.clock.now()).unwrap_or_default()),
        }
    }

    async fn throw_away(self: Arc<Self>, resource: Resource) {
        if self.claim_stop(&resource.slot) {
            // Said already, each time.
            let _ = self.stop_for_good(&resource.slot).await;
        }
        let Resource { slot, seat, .. } = resource;
        drop(seat);
        self.remove(&[slot]);
        self.pump();
        self.tend();
    }

    /// Whether stopping it is ours to do, and not under way already.
    pub(in crate::pool) fn claim_stop(self: &Arc<Self>, slot: &Arc<Slot>) -> bool {
        let mut ours = false;
        let change = slot.change(|condition| {
            ours = !matches!(condition.phase, Phase::Stopping | Phase::Stopped);
            if ours {
                condition.phase = Phase::Stopping;
            }
        });
        if let Some(change) = change {
            self.state_changed(slot, change);
        }
        ours
    }

    /// A resource whose stop fails may still be there, and would have no seat: so it keeps it, and is tried again until it
    /// is stopped, or the pool ends and a few more tries have failed.
    ///
    /// # Errors
    /// The last of those.
    pub(in crate::pool) async fn stop_for_good(&self, slot: &Slot) -> Result<(), Error> {
        let mut pause = AGAIN;
        let mut last_tries = 0;
        loop {
            let instance = slot.instance.load_full();
            let stopped = bounded(STOP_LIMIT, "stop", |context| self.driver.stop(context, instance)).await;
            let error = match stopped.map_err(Error::from) {
                Ok(()) => return Ok(()),
                Err(error) if matches!(error.code, ErrorCode::NOT_FOUND | ErrorCode::GONE) => return Ok(()),
                Err(error) => error,
            };
            tracing::warn!(hub = self.settings.name, instance = %slot.id, %error, "could not stop it");
            if self.is_closed() {
                last_tries += 1;
                if last_tries >= LAST_TRIES {
                    return Err(error);
                }
                self.clock.sleep_until(self.clock.now().after(AGAIN)).await;
                continue;
            }
            tokio::select! {
                () = self.clock.sleep_until(self.clock.now().after(pause)) => {}
                () = self.closed.cancelled() => {}
            }
            pause = (pause * 2).min(LONGEST);
        }
    }
}
