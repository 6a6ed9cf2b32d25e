//! A demand: a requirement as seen against the registry at one moment.

use std::borrow::Cow;
use std::sync::Arc;

use plugin_api::contract::balance::Reach;
use plugin_api::contract::reference::normalise;
use plugin_api::contract::requirement::Requirement;

use super::bits::Bits;
use super::group::Group;
use super::holders::Holders;
use super::registry::Snapshot;
use super::slot::Slot;

/// A few sets in place, and room for many: requests with more than a few tags may allocate, others do not.
#[derive(Debug, Default)]
struct Sets<'a> {
    few: [Option<&'a Bits>; 4],
    many: Vec<&'a Bits>,
}

impl<'a> Sets<'a> {
    fn push(&mut self, set: &'a Bits) {
        match self.few.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(set),
            None => self.many.push(set),
        }
    }

    #[inline]
    fn all(&self, place: usize) -> bool {
        self.few
            .iter()
            .map_while(|set| *set)
            .all(|set| set.contains(place))
            && self.many.iter().all(|set| set.contains(place))
    }

    fn any(&self, place: usize) -> bool {
        self.few
            .iter()
            .map_while(|set| *set)
            .any(|set| set.contains(place))
            || self.many.iter().any(|set| set.contains(place))
    }
}

/// A requirement as seen against a snapshot: who may be chosen, as far as that does not change from one
/// moment to the next.
#[derive(Debug)]
pub(super) struct Demand<'a> {
    pub(super) requirement: &'a Requirement,
    snapshot: &'a Snapshot,
    /// The capability's normalised name.
    name: Option<Cow<'a, str>>,
    /// Who holds it, and its name as the registry shares it.
    known: Option<(&'a Arc<str>, &'a Holders)>,
    tags: Sets<'a>,
    dialects: Sets<'a>,
    features: Sets<'a>,
    /// A tag nobody carries, or dialects nobody speaks.
    impossible: bool,
    /// Neither tags nor dialects nor an id: any instance fits, as far as that goes.
    open: bool,
}

impl<'a> Demand<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, requirement: &'a Requirement) -> Self {
        let name = requirement.capability.as_deref().map(normalise);
        let known = name
            .as_ref()
            .and_then(|name| snapshot.capabilities.get_key_value(name.as_ref()));
        let known = known.map(|(name, holders)| (name, &**holders));
        let (mut tags, mut dialects, mut features) = (Sets::default(), Sets::default(), Sets::default());
        let mut impossible = false;
        for tag in &requirement.tags {
            match snapshot.tagged(tag) {
                Some(set) => tags.push(set),
                None => impossible = true,
            }
        }
        for set in requirement
            .dialects
            .iter()
            .filter_map(|dialect| snapshot.speaking(dialect))
        {
            dialects.push(set);
        }
        impossible |= !requirement.dialects.is_empty() && dialects.few[0].is_none();
        if let Some((_, holders)) = known {
            for feature in &requirement.features {
                features.push(holders.with_feature(feature));
            }
        }
        Self {
            requirement,
            snapshot,
            name,
            known,
            tags,
            dialects,
            features,
            impossible,
            open: requirement.tags.is_empty()
                && requirement.dialects.is_empty()
                && requirement.instance.is_none(),
        }
    }

    /// Whoever may be chosen, in principle.
    pub(super) fn group(&self) -> &'a Group {
        static NOBODY: std::sync::LazyLock<Group> = std::sync::LazyLock::new(Group::default);
        match (&self.name, self.known) {
            _ if self.impossible => &NOBODY,
            (None, _) => &self.snapshot.everyone,
            (Some(_), Some((_, holders))) => holders.group(),
            (Some(_), None) if self.snapshot.fetching => &self.snapshot.everyone,
            (Some(_), None) => &NOBODY,
        }
    }

    /// How close at hand the capability is at this slot; `None` if the slot is not one to choose.
    #[inline]
    pub(super) fn reach(&self, slot: &Slot) -> Option<Reach> {
        if !self.describes(slot) {
            return None;
        }
        if self.name.is_none() {
            return Some(Reach::Ready);
        }
        let reach = self.known.map_or(Reach::Absent, |(_, held)| {
            held.reach(slot.place, &self.requirement.prefer)
        });
        match reach {
            Reach::Absent => self.snapshot.fetching.then_some(reach),
            _ if self.known.is_some_and(|(_, held)| held.has(slot.place)) => {
                self.features.all(slot.place).then_some(reach)
            }
            _ => Some(reach),
        }
    }

    /// Whether tags, dialects and id of the slot fit, whatever it can do.
    #[inline]
    pub(super) fn describes(&self, slot: &Slot) -> bool {
        self.open || self.fits(slot)
    }

    fn fits(&self, slot: &Slot) -> bool {
        !self.impossible
            && self.tags.all(slot.place)
            && (self.requirement.dialects.is_empty() || self.dialects.any(slot.place))
            && self
                .requirement
                .instance
                .as_deref()
                .is_none_or(|id| *slot.id == *id)
    }

    /// Every slot whose tags, dialects and id fit, whatever it can do.
    pub(super) fn described(&self) -> impl Iterator<Item = &'a Arc<Slot>> {
        self.snapshot
            .everyone
            .slots()
            .iter()
            .filter(|slot| self.describes(slot))
    }

    /// Every slot that would do, were it not for its state.
    pub(super) fn suitable(&self) -> impl Iterator<Item = (&'a Arc<Slot>, Reach)> {
        self.group()
            .slots()
            .iter()
            .filter_map(|slot| Some((slot, self.reach(slot)?)))
    }

    /// Whether the capability is there at this slot, and whether it is loaded as wished.
    pub(super) fn presence(&self, slot: &Slot) -> Presence {
        let Some((_, holders)) = self.known else {
            return if self.name.is_some() {
                Presence::Absent
            } else {
                Presence::Ready
            };
        };
        match holders.has(slot.place) {
            false => Presence::Absent,
            true if !holders.loaded(slot.place) => Presence::Stored,
            true if holders.loaded_as(slot.place, &self.requirement.prefer) => Presence::Ready,
            true => Presence::Loaded,
        }
    }

    /// The capability's normalised name, shared where the registry knows it.
    pub(super) fn shared_name(&self) -> Option<Arc<str>> {
        let name = self.name.as_ref()?;
        Some(
            self.known
                .map_or_else(|| name.as_ref().into(), |(known, _)| known.clone()),
        )
    }

    /// Whether some instance had the capability before it went away.
    pub(super) fn remembered(&self) -> bool {
        self.known.is_some_and(|(_, held)| held.is_empty())
    }

    /// Whether the hub has no instances.
    pub(super) fn nobody_at_all(&self) -> bool {
        self.snapshot.everyone.is_empty()
    }

    /// The capability, where nothing else that is asked for could be what is missing.
    pub(super) fn missing(&self) -> Option<String> {
        let wants = self.requirement;
        let only = wants.tags.is_empty() && wants.features.is_empty() && wants.instance.is_none();
        wants.capability.clone().filter(|_| only)
    }

    /// What is asked for, in words.
    pub(super) fn what(&self) -> String {
        let mut what = match (&self.requirement.capability, &self.requirement.instance) {
            (Some(capability), _) => format!("`{capability}`"),
            (None, Some(instance)) => format!("the id `{instance}`"),
            (None, None) => String::new(),
        };
        let mut also = |label: &str, list: Vec<&str>| {
            if !list.is_empty() {
                let joint = if what.is_empty() { "" } else { " with " };
                what.push_str(&format!("{joint}{label} {}", list.join(", ")));
            }
        };
        also(
            "features",
            self.requirement.features.iter().map(String::as_str).collect(),
        );
        also("tags", self.requirement.tags.iter().map(String::as_str).collect());
        also(
            "dialects",
            self.requirement.dialects.iter().map(String::as_str).collect(),
        );
        what
    }
}

/// How a capability is there at the moment of choosing; unlike [`Reach`] it says nothing of preparations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Loaded as wished, or nothing was asked for.
    Ready,
    /// Loaded in another way.
    Loaded,
    /// To be loaded.
    Stored,
    /// To be fetched.
    Absent,
}
