//! Who holds a capability, and how: the index behind the question "which instances have this model".

use std::collections::BTreeMap;
use std::sync::Arc;

use plugin_api::contract::balance::Reach;
use plugin_api::contract::instance::{Capability, Residency};

use super::bits::Bits;
use super::group::Group;

/// The instances that hold one capability, as sets of places, and as candidates. Copied on change by the
/// registry's writers.
#[derive(Debug, Clone, Default)]
pub(super) struct Holders {
    /// All of them.
    all: Bits,
    /// Those that can use it at once.
    loaded: Bits,
    /// Those where a preparation is under way, whether they hold it yet or not.
    preparing: Bits,
    /// The loaded, by how they have it loaded. Few in practice: a shape is what requests can ask for.
    shapes: Vec<(BTreeMap<String, i64>, Bits)>,
    /// By what it is good for there; those that list no features count as good for everything.
    features: BTreeMap<String, Bits>,
    /// Those that list no features.
    featureless: Bits,
    /// Whoever may be chosen for it.
    group: Arc<Group>,
}

impl Holders {
    /// The instance at `place` holds the capability like this.
    pub(super) fn put(&mut self, place: usize, capability: &Capability) {
        self.remove(place);
        self.all.set(place, true);
        if capability.residency == Residency::Loaded {
            self.loaded.set(place, true);
            self.shape(&capability.loaded_as).set(place, true);
        }
        for feature in &capability.features {
            let featureless = &self.featureless;
            self.features
                .entry(feature.clone())
                .or_insert_with(|| featureless.clone())
                .set(place, true);
        }
        if capability.features.is_empty() {
            self.featureless.set(place, true);
            self.features.values_mut().for_each(|set| set.set(place, true));
        }
    }

    fn shape(&mut self, shape: &BTreeMap<String, i64>) -> &mut Bits {
        let at = self
            .shapes
            .iter()
            .position(|(known, _)| known == shape)
            .unwrap_or_else(|| {
                self.shapes.push((shape.clone(), Bits::default()));
                self.shapes.len() - 1
            });
        &mut self.shapes[at].1
    }

    /// The instance at `place` holds it no more. A preparation there goes on.
    pub(super) fn remove(&mut self, place: usize) {
        for set in [&mut self.all, &mut self.loaded, &mut self.featureless] {
            set.set(place, false);
        }
        self.shapes.retain_mut(|(_, set)| {
            set.set(place, false);
            !set.is_empty()
        });
        self.features.retain(|_, set| {
            set.set(place, false);
            !set.is_empty()
        });
    }

    /// A preparation begins or ends at `place`.
    pub(super) fn prepare(&mut self, place: usize, under_way: bool) {
        self.preparing.set(place, under_way);
    }

    /// Lists the candidates anew: the holders, or everybody where a capability may be fetched.
    pub(super) fn regroup(&mut self, everyone: &Group, fetching: bool) {
        self.group = Arc::new(Group::new(
            everyone
                .slots()
                .iter()
                .filter(|slot| {
                    fetching || self.all.contains(slot.place) || self.preparing.contains(slot.place)
                })
                .map(|slot| (slot.clone(), self.reach(slot.place, &BTreeMap::new()))),
        ));
    }

    /// Whoever may be chosen for it.
    pub(super) fn group(&self) -> &Group {
        &self.group
    }

    /// How close at hand it is at `place`, for a request that wishes it loaded like this.
    ///
    /// Where a preparation is under way it counts as loaded: a second request had better join it than start
    /// another elsewhere.
    #[inline]
    pub(super) fn reach(&self, place: usize, wish: &BTreeMap<String, i64>) -> Reach {
        if self.loaded.contains(place) {
            return if self.loaded_as(place, wish) {
                Reach::Ready
            } else {
                Reach::Loaded
            };
        }
        match (self.all.contains(place), self.preparing.contains(place)) {
            (true, true) => Reach::Ready,
            (true, false) | (false, true) => Reach::Stored,
            (false, false) => Reach::Absent,
        }
    }

    /// Whether the instance at `place` has it.
    pub(super) fn has(&self, place: usize) -> bool {
        self.all.contains(place)
    }

    /// Whether it can be used at once at `place`.
    #[inline]
    pub(super) fn loaded(&self, place: usize) -> bool {
        self.loaded.contains(place)
    }

    /// Whether it is loaded at `place` in a way that serves this wish: what the wish names and the shape knows
    /// must be equal, because servers load again for a smaller size as well as for a larger.
    #[inline]
    pub(super) fn loaded_as(&self, place: usize, wish: &BTreeMap<String, i64>) -> bool {
        wish.is_empty()
            || self
                .shapes
                .iter()
                .any(|(shape, set)| set.contains(place) && serves(shape, wish))
    }

    /// Those that have this feature of it, or say nothing about features.
    pub(super) fn with_feature(&self, feature: &str) -> &Bits {
        self.features.get(feature).unwrap_or(&self.featureless)
    }

    /// Whether nobody holds it or is about to.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.preparing.is_empty()
    }
}

fn serves(shape: &BTreeMap<String, i64>, wish: &BTreeMap<String, i64>) -> bool {
    wish.iter()
        .all(|(key, value)| shape.get(key).is_none_or(|loaded| loaded == value))
}

#[cfg(test)]
mod tests;
