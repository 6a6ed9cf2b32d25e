//! Lanes: waiters that can be served by the same instances, so that what is true of one is true of all.

use plugin_api::contract::requirement::Requirement;

use super::order::Lane;
use crate::pool::warm::Want;

/// What the waiters of a lane have in common.
#[derive(Debug)]
enum Needs {
    Instance(Box<Requirement>),
    Resource(Want),
}

/// The lanes in use. Numbers are reused once nobody waits in them.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    slots: Vec<Option<(Needs, usize)>>,
}

impl Lanes {
    /// The lane of this requirement, with one more waiter in it.
    pub(super) fn join(&mut self, requirement: &Requirement, want: Option<&Want>) -> Lane {
        let same = |slot: &Option<(Needs, usize)>| {
            slot.as_ref().is_some_and(|(known, _)| match (known, want) {
                (Needs::Instance(known), None) => equal(known, requirement),
                (Needs::Resource(known), Some(want)) => known.same(want),
                _ => false,
            })
        };
        if let Some(lane) = self.slots.iter().position(same) {
            if let Some((_, waiting)) = &mut self.slots[lane] {
                *waiting += 1;
            }
            return lane;
        }
        let needs = match want {
            Some(want) => Needs::Resource(want.clone()),
            None => Needs::Instance(Box::new(requirement.clone())),
        };
        let slot = Some((needs, 1));
        match self.slots.iter().position(Option::is_none) {
            Some(free) => {
                self.slots[free] = slot;
                free
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        }
    }

    /// How many wait in it.
    pub(super) fn waiting(&self, lane: Lane) -> usize {
        self.slots
            .get(lane)
            .and_then(Option::as_ref)
            .map_or(0, |(_, waiting)| *waiting)
    }

    /// One waiter fewer in it.
    pub(super) fn leave(&mut self, lane: Lane) {
        if let Some(slot) = self.slots.get_mut(lane)
            && let Some((_, waiting)) = slot
        {
            *waiting -= 1;
            if *waiting == 0 {
                *slot = None;
            }
        }
        while self.slots.last().is_some_and(Option::is_none) {
            self.slots.pop();
        }
    }
}

/// Everything that decides who may be chosen. The strategy and the wish are in it, because `model_affinity` may
/// say "wait" where another strategy takes what there is.
fn equal(one: &Requirement, other: &Requirement) -> bool {
    one.capability == other.capability
        && one.strategy == other.strategy
        && one.instance == other.instance
        && one.features == other.features
        && one.tags == other.tags
        && one.dialects == other.dialects
        && one.prefer == other.prefer
}

#[cfg(test)]
mod tests {
    use plugin_api::contract::requirement::{Priority, Requirement};

    use super::Lanes;

    fn model(name: &str) -> Requirement {
        Requirement {
            capability: Some(name.into()),
            ..Requirement::default()
        }
    }

    #[test]
    fn equal_needs_share_a_lane_whoever_has_them() {
        let mut lanes = Lanes::default();
        let wishful = Requirement {
            affinity: Some("me".into()),
            priority: Priority::High,
            ..model("a")
        };
        assert_eq!(lanes.join(&model("a"), None), lanes.join(&wishful, None));
        assert_ne!(lanes.join(&model("a"), None), lanes.join(&model("b"), None));
    }

    #[test]
    fn an_empty_lane_is_given_to_the_next() {
        let mut lanes = Lanes::default();
        let (a, b) = (lanes.join(&model("a"), None), lanes.join(&model("b"), None));
        lanes.leave(a);
        assert_eq!(lanes.join(&model("c"), None), a);
        lanes.leave(a);
        lanes.leave(b);
        assert!(lanes.slots.is_empty());
    }
}
