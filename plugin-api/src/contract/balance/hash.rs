//! Rendezvous hashing with bounded loads: equal keys go to the same candidate, unless it has more than its
//! share.
//!
//! Every candidate has a rank for every key, and the highest wins. When a candidate goes, only its own keys
//! move; when one comes, keys move to it and nowhere else, one in n of them. (The Python system took the hash
//! modulo the length of the list: going from four to five instances moved 80 % of all keys.)
//!
//! No candidate takes more than [`FACTOR`] times its share of what is in flight (Mirrokni, Thorup and
//! Zadimoghaddam, 2016); a key whose favourite is at that bound goes to its next favourite. Shares are by
//! capacity.

use super::survey::{Full, LARGE_SAMPLE, mix, survey};
use super::view::{CLASSES, Reach, View};
use super::{Ask, Candidates, Choice, Roster, score};

/// How far above its share a candidate may be. The lowest value in common use: lower ones move keys all the time.
pub(super) const FACTOR: f64 = 1.25;

/// The hash of an affinity key or of an instance's id: the same on every machine and in every version.
pub fn key_hash(bytes: impl AsRef<[u8]>) -> u64 {
    // FNV-1a, whose last byte hardly reaches the upper bits; the finaliser sees to that.
    let hash = bytes
        .as_ref()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    mix(hash)
}

/// The rank of a candidate for a key.
#[inline]
pub(super) fn rank(key: u64, id_hash: u64) -> u64 {
    let mixed = (key ^ id_hash).wrapping_mul(0x9fb2_1c65_1e98_df25);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// What a group of candidates has in flight and room for, by which each one's share is reckoned.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Total {
    in_flight: u64,
    slots: u64,
}

impl Total {
    #[inline]
    pub(super) fn add(&mut self, view: &View) {
        self.in_flight += u64::from(view.in_flight);
        self.slots += u64::from(view.slots());
    }

    /// Whether the candidate may take one more. The total of `exact` groups is of all their members; that
    /// of a sample is scaled as if the request were one of very many.
    #[inline]
    pub(super) fn allows(&self, view: &View, exact: bool) -> bool {
        let in_flight = (self.in_flight + u64::from(exact)) as f64;
        let share = in_flight * f64::from(view.slots()) / self.slots.max(1) as f64;
        let bound = (FACTOR * share).ceil().max(1.0);
        f64::from(view.in_flight) + 1.0 <= bound
    }
}

/// The key's highest-ranked candidate that is not above its share.
pub(super) fn choose(roster: &Roster, candidates: &impl Candidates, ask: &Ask, key: u64) -> Choice {
    let Some(favourites) = roster.favourites(key) else {
        return choose_from_all(roster, candidates, key);
    };
    let views = favourites.map(|index| candidates.get(index));
    let mut total = None;
    for (index, view) in favourites.into_iter().zip(views) {
        let Some(view) = view.filter(|view| view.has_room() && view.is_first_class()) else {
            continue;
        };
        if view.in_flight == 0 {
            return Choice::Take(index);
        }
        let total = total.get_or_insert_with(|| sampled(roster, candidates, ask));
        if total.allows(&view, false) {
            return Choice::Take(index);
        }
    }
    // A key too hot for its two favourites is spread by load: there is nothing left to keep together. One whose
    // favourites are out of order still goes where all its requests go.
    if views
        .iter()
        .all(|view| view.is_some_and(|view| view.is_first_class()))
    {
        return score::least_loaded(roster, candidates, ask, score::Tie::LongestUnused);
    }
    choose_from_all(roster, candidates, key)
}

fn sampled(roster: &Roster, candidates: &impl Candidates, ask: &Ask) -> Total {
    let mut total = Total::default();
    survey(
        roster.len(),
        LARGE_SAMPLE,
        ask.turn,
        |position| position,
        candidates,
        |_, view| {
            if view.is_first_class() {
                total.add(view);
            }
        },
    );
    total
}

/// A candidate's place in the order of one key: whether it is within its share, and its rank.
type Ranked = ((bool, u64), usize, Reach);

fn choose_from_all(roster: &Roster, candidates: &impl Candidates, key: u64) -> Choice {
    let mut totals = [Total::default(); CLASSES];
    let mut full = Full::default();
    for index in 0..roster.len() {
        if let Some(view) = candidates.get(index) {
            totals[usize::from(view.class())].add(&view);
        }
    }
    let mut best: [Option<Ranked>; CLASSES] = [None; CLASSES];
    for index in 0..roster.len() {
        let Some(view) = candidates.get(index) else {
            continue;
        };
        if !view.has_room() {
            full.note(&view);
            continue;
        }
        // Loads change between the two passes, so one above its share is kept in case all are.
        let class = usize::from(view.class());
        let place = (
            totals[class].allows(&view, true),
            rank(key, roster.id_hash(index)),
        );
        if best[class].is_none_or(|(so_far, ..)| place > so_far) {
            best[class] = Some((place, index, view.reach));
        }
    }
    let chosen = best.into_iter().flatten().next();
    full.or_take(chosen.map(|(_, index, reach)| (index, reach)))
}
