//! A group: the instances that may be chosen for one kind of request.

use std::sync::Arc;

use plugin_api::contract::balance::{Member, Reach, Roster};

use super::slot::Slot;

/// Candidates in the order in which they were registered, with the balancer's roster of them. Immutable.
#[derive(Debug)]
pub(super) struct Group {
    slots: Box<[Arc<Slot>]>,
    roster: Roster,
}

impl Default for Group {
    fn default() -> Self {
        Self::new([])
    }
}

impl Group {
    pub(super) fn new(members: impl IntoIterator<Item = (Arc<Slot>, Reach)>) -> Self {
        let mut members: Vec<_> = members.into_iter().collect();
        // Places are used again, keys are not: only they tell the order.
        members.sort_by_key(|(slot, _)| slot.key);
        let roster = Roster::new(members.iter().map(|(slot, reach)| {
            let instance = slot.instance.load();
            Member {
                id_hash: slot.id_hash,
                weight: instance.weight,
                priority: instance.priority,
                reach: *reach,
            }
        }));
        Self {
            slots: members.into_iter().map(|(slot, _)| slot).collect(),
            roster,
        }
    }

    pub(super) fn slots(&self) -> &[Arc<Slot>] {
        &self.slots
    }

    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}
