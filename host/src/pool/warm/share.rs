//! Fair shares: whose resource makes room for whom, where there are no more seats.
//!
//! What a caller has used is never given to another, so somebody who waits can be helped only by throwing it away and
//! starting another on its seat. This is the one place that says when.
//!
//! | the resource that is free now is | it makes room for a caller |
//! | --- | --- |
//! | nobody's | unless somebody waits for it |
//! | one of several of its owner's | who would still hold fewer than are left; for others, once it was idle for a [`TURN`] |
//! | its owner's last | who holds none, once its [`TURN`] is over: that is how they alternate where there are fewer seats than callers |
//! | its owner's last | who holds some, once it was idle for [`KEPT`]: those who use theirs from time to time find them |
//! | the caller's own, of another kind | unless it waits for that one too; then once a [`TURN`] is over and was waited for |
//!
//! Whoever holds none takes from those who hold several first, and for a [`TURN`] from nobody else. Callers who are busy so
//! come to hold equally many, within one, and then take nothing from each other. Who is alone loses nothing to others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use plugin_api::contract::time::Tick;

use super::shelf::Resource;
use super::shelves::Shelves;
use super::want::Wish;

/// How long a caller has its only resource to itself, from its first use: long compared with a start, or callers who
/// alternate would do little but start.
pub(super) const TURN: Duration = Duration::from_secs(1);
/// Within its turn it is given up sooner where its owner does not come back for so long.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// How long a caller's only resource is kept for it, from its last use, from those who have one.
const KEPT: Duration = Duration::from_secs(10);

/// How many resources each caller holds: in use, idle, or about to be started for it.
#[derive(Debug)]
pub(super) struct Shares {
    holds: HashMap<Arc<str>, u32, RandomState>,
}

impl Shares {
    pub(super) fn of(shelves: &Shelves) -> Self {
        let mut shares = Self {
            holds: HashMap::default(),
        };
        for shelf in shelves.iter() {
            let idle = shelf.idle.iter().filter_map(|resource| resource.owner.as_ref());
            let held = shelf.held.iter().map(|(_, principal)| principal);
            idle.chain(held).for_each(|who| shares.gains(who));
        }
        shares
    }

    /// It is about to have one more.
    pub(super) fn gains(&mut self, who: &Arc<str>) {
        *self.holds.entry(who.clone()).or_default() += 1;
    }

    /// This one is thrown away.
    pub(super) fn loses(&mut self, resource: &Resource) {
        if let Some(owner) = &resource.owner
            && let Some(holds) = self.holds.get_mut(owner)
        {
            *holds = holds.saturating_sub(1);
        }
    }

    fn of_caller(&self, who: &str) -> u32 {
        self.holds.get(who).copied().unwrap_or(0)
    }

    /// Whether this idle resource may be thrown away for this wish, which it does not suit. `sought`: it suits somebody
    /// else who waits.
    pub(super) fn yields(&self, resource: &Resource, sought: bool, to: &Wish, now: Tick) -> bool {
        let Some(owner) = &resource.owner else {
            return !sought;
        };
        let idle = now.since(resource.idle_since);
        let turn_over = now.since(resource.owned_since) >= TURN;
        let patient = now.since(to.since) >= TURN;
        if *owner == to.want.principal {
            return !sought || (turn_over && patient);
        }
        let (theirs, own) = (self.of_caller(owner), self.of_caller(&to.want.principal));
        match own {
            _ if theirs > 1 => own + 1 < theirs || (!sought && idle >= TURN),
            0 => {
                let over = turn_over || (!sought && idle >= PAUSE);
                let others_have_more = self.holds.values().any(|holds| *holds > 1);
                over && (!others_have_more || patient || (!sought && idle >= KEPT))
            }
            _ => !sought && idle >= KEPT,
        }
    }

    /// Whether it is the only one of a caller who used it of late.
    pub(super) fn is_kept_for_its_owner(&self, resource: &Resource, now: Tick) -> bool {
        let last = |owner: &Arc<str>| self.of_caller(owner) <= 1;
        resource.owner.as_ref().is_some_and(last) && now.since(resource.idle_since) < KEPT
    }
}
