//! The candidates of one kind of request, and what does not change about them.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use super::memo::Memo;
use super::survey::EXACT;
use super::view::Reach;

/// One candidate, as far as it does not change from request to request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// [`key_hash`](super::key_hash) of the instance's id: stable over restarts, so that keys stay where they are.
    pub id_hash: u64,
    /// Share under `weighted`.
    pub weight: f64,
    /// Tier under `priority_based`; higher is used first.
    pub priority: i32,
    /// How close at hand the roster's capability is, as of the last probe. Orders large rosters for
    /// `model_affinity`; what counts is the reach in the [`View`](super::View).
    pub reach: Reach,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            id_hash: 0,
            weight: 1.0,
            priority: 0,
            reach: Reach::Ready,
        }
    }
}

/// A list of candidates in the configured order, with what the strategies would otherwise work out for each
/// request. Immutable: a new list is a new roster. Building costs n log n.
pub struct Roster {
    id_hashes: Box<[u64]>,
    weights: Box<[f32]>,
    /// No weight is above it.
    max_weight: f32,
    by_priority: Tiers,
    by_reach: Tiers,
    /// Made by the first `hash_based` request; see [`Memo`].
    memo: OnceLock<Memo>,
}

/// Places of the roster, grouped into tiers, best first.
pub(super) struct Tiers {
    order: Box<[u32]>,
    tiers: Box<[Range<usize>]>,
}

impl Tiers {
    /// Stable: within a tier the configured order stays.
    fn new<K: Ord + Copy>(keys: &[K]) -> Self {
        let mut order: Vec<u32> = (0..keys.len() as u32).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(keys[index as usize]));
        let mut tiers: Vec<Range<usize>> = Vec::new();
        for (position, &index) in order.iter().enumerate() {
            match tiers.last_mut() {
                Some(tier) if keys[order[tier.start] as usize] == keys[index as usize] => {
                    tier.end = position + 1;
                }
                _ => tiers.push(position..position + 1),
            }
        }
        Self {
            order: order.into(),
            tiers: tiers.into(),
        }
    }

    /// How many tiers there are.
    pub(super) fn len(&self) -> usize {
        self.tiers.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.tiers.iter().map(|tier| &self.order[tier.clone()])
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Roster")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Roster {
    /// A roster of these, in the configured order.
    pub fn new(members: impl IntoIterator<Item = Member>) -> Self {
        let members: Vec<Member> = members.into_iter().collect();
        let weights: Box<[f32]> = members.iter().map(|member| sane(member.weight)).collect();
        let priorities: Vec<i32> = members.iter().map(|member| member.priority).collect();
        let reaches: Vec<Reach> = members.iter().map(|member| member.reach).collect();
        Self {
            id_hashes: members.iter().map(|member| member.id_hash).collect(),
            max_weight: weights.iter().copied().fold(0.0, f32::max),
            weights,
            by_priority: Tiers::new(&priorities),
            by_reach: Tiers::new(&reaches),
            memo: OnceLock::new(),
        }
    }

    /// How many candidates it lists, eligible or not.
    pub fn len(&self) -> usize {
        self.id_hashes.len()
    }

    /// Whether it lists none.
    pub fn is_empty(&self) -> bool {
        self.id_hashes.is_empty()
    }

    #[inline]
    pub(super) fn id_hash(&self, index: usize) -> u64 {
        self.id_hashes[index]
    }

    #[inline]
    pub(super) fn weight(&self, index: usize) -> f32 {
        self.weights[index]
    }

    pub(super) fn max_weight(&self) -> f32 {
        self.max_weight
    }

    pub(super) fn by_priority(&self) -> &Tiers {
        &self.by_priority
    }

    pub(super) fn by_reach(&self) -> &Tiers {
        &self.by_reach
    }

    /// The key's two favourites of all candidates, eligible or not. `None` for rosters that are looked at whole
    /// anyway.
    pub(super) fn favourites(&self, key: u64) -> Option<[usize; 2]> {
        if self.len() <= EXACT || self.len() > Memo::MAX_LEN {
            return None;
        }
        let memo = self.memo.get_or_init(Memo::new);
        Some(memo.favourites(key, &self.id_hashes))
    }
}

/// A weight that arithmetic can stand: a mistake means hardly ever, not always and not a panic.
fn sane(weight: f64) -> f32 {
    const LEAST: f64 = 1e-6;
    const MOST: f64 = 1e6;
    if weight > LEAST {
        weight.min(MOST) as f32
    } else {
        LEAST as f32
    }
}
