//! Strategies that give each candidate a score and take the lowest.

use super::hash::rank;
use super::survey::{Full, LARGE_SAMPLE, SAMPLE, survey};
use super::view::{Reach, View};
use super::{Ask, Candidates, Choice, Roster};

/// Who wins among equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tie {
    /// The favourite of the affinity key; without one, as below.
    Affinity,
    /// The one not used for longest.
    LongestUnused,
}

/// By what a candidate is compared; lower is better.
#[derive(Clone, Copy)]
pub(super) struct Key {
    class: u8,
    score: f32,
    tie: u64,
}

impl Key {
    #[inline]
    pub(super) fn new(roster: &Roster, index: usize, view: &View, score: f32, ask: &Ask, tie: Tie) -> Self {
        let tie = match (tie, ask.affinity) {
            (Tie::Affinity, Some(key)) => !rank(key, roster.id_hash(index)),
            _ => view.last_turn,
        };
        Self {
            class: view.class(),
            score,
            tie,
        }
    }

    #[inline]
    pub(super) fn beats(&self, other: &Key) -> bool {
        if self.class != other.class {
            return self.class < other.class;
        }
        if self.score != other.score {
            return self.score < other.score;
        }
        self.tie < other.tie
    }
}

/// The best so far.
#[derive(Clone, Copy, Default)]
pub(super) struct Best {
    found: Option<(Key, usize, Reach)>,
}

impl Best {
    #[inline]
    pub(super) fn offer(&mut self, key: Key, index: usize, view: &View) {
        if self.found.as_ref().is_none_or(|(best, ..)| key.beats(best)) {
            self.found = Some((key, index, view.reach));
        }
    }

    #[inline]
    pub(super) fn taken(&self) -> Option<(usize, Reach)> {
        self.found.map(|(_, index, reach)| (index, reach))
    }

    fn is_first_class(&self) -> bool {
        self.found.is_some_and(|(key, ..)| key.class == 0)
    }
}

/// How many tries a request would need; bounded, so that even a candidate that fails everything is compared.
#[inline]
fn tries(view: &View) -> f32 {
    match view.errors() {
        0.0 => 1.0,
        errors => 1.0 / (1.0 - errors).max(0.01),
    }
}

/// Load after this request, with failures counted as load: an idle candidate that failed half of its recent
/// requests looks as busy as a full one.
#[inline]
pub(super) fn load(view: &View) -> f32 {
    let load = (view.in_flight as f32 + 1.0) / view.slots() as f32;
    (load + view.errors()) * tries(view)
}

/// Above every latency: for candidates that are being tried, and for those whose trial failed.
const UNKNOWN: f32 = 1e9;

/// The share of recent failures above which a candidate without a sample is not tried just now.
const TRIAL_ERRORS: f32 = 0.1;

/// Expected time until this request is answered. A candidate without a sample comes first while nothing is in
/// flight there, and last while its trial is: it gets its chance, and no flood.
#[inline]
pub(super) fn latency(view: &View) -> f32 {
    match view.latency {
        None if view.in_flight == 0 && view.errors() <= TRIAL_ERRORS => 0.0,
        None => UNKNOWN * (view.in_flight as f32 + 1.0) * tries(view),
        Some(seconds) => seconds.max(1e-6) * (view.in_flight as f32 + 1.0) * tries(view),
    }
}

/// The candidate with the lowest score.
#[inline]
pub(super) fn best(
    roster: &Roster,
    candidates: &impl Candidates,
    ask: &Ask,
    sample: usize,
    score: impl Fn(&View) -> f32,
    tie: Tie,
) -> Choice {
    let (mut best, mut full) = (Best::default(), Full::default());
    let mut look = |index: usize, view: &View| {
        if view.has_room() {
            best.offer(Key::new(roster, index, view, score(view), ask, tie), index, view);
        } else {
            full.note(view);
        }
    };
    // The key's favourite is always in the sample, or it could break no tie.
    if tie == Tie::Affinity
        && let Some(key) = ask.affinity
        && let Some(favourites) = roster.favourites(key)
        && let Some(view) = candidates.get(favourites[0])
    {
        look(favourites[0], &view);
    }
    survey(
        roster.len(),
        sample,
        ask.turn,
        |position| position,
        candidates,
        look,
    );
    full.or_take(best.taken())
}

/// The fewest in flight, relative to capacity.
#[inline]
pub(super) fn least_loaded(roster: &Roster, candidates: &impl Candidates, ask: &Ask, tie: Tie) -> Choice {
    best(roster, candidates, ask, SAMPLE, load, tie)
}

/// The one not used for longest.
#[inline]
pub(super) fn longest_unused(roster: &Roster, candidates: &impl Candidates, ask: &Ask) -> Choice {
    best(roster, candidates, ask, SAMPLE, |_| 0.0, Tie::LongestUnused)
}

/// The lowest expected latency.
#[inline]
pub(super) fn quickest(roster: &Roster, candidates: &impl Candidates, ask: &Ask) -> Choice {
    best(roster, candidates, ask, LARGE_SAMPLE, latency, Tie::Affinity)
}

/// The Python system's weights: load 0.4, latency 0.3 relative to the slowest compared, errors 0.3. What is not
/// known yet counts as nothing while idle and as middling while a request is on its way.
pub(super) fn adaptive(roster: &Roster, candidates: &impl Candidates, ask: &Ask) -> Choice {
    let mut slowest = 1e-6f32;
    survey(
        roster.len(),
        LARGE_SAMPLE,
        ask.turn,
        |position| position,
        candidates,
        |_, view| {
            slowest = slowest.max(view.latency.unwrap_or(0.0));
        },
    );
    let score = |view: &View| {
        let load = (view.in_flight as f32 + 1.0) / view.slots() as f32;
        let latency = match view.latency {
            Some(seconds) => seconds.max(0.0) / slowest,
            None if view.in_flight == 0 => 0.0,
            None => 0.5,
        };
        (0.4 * load + 0.3 * latency + 0.3 * view.errors()) * tries(view)
    };
    best(roster, candidates, ask, LARGE_SAMPLE, score, Tie::Affinity)
}

/// The least loaded of the highest tier that has a healthy candidate with room.
pub(super) fn tiered(roster: &Roster, candidates: &impl Candidates, ask: &Ask) -> Choice {
    if roster.by_priority().len() <= 1 {
        return least_loaded(roster, candidates, ask, Tie::Affinity);
    }
    let (mut best, mut full) = (Best::default(), Full::default());
    for tier in roster.by_priority().iter() {
        let mut within = Best::default();
        survey(
            tier.len(),
            SAMPLE,
            ask.turn,
            |position| tier[position] as usize,
            candidates,
            |index, view| {
                if view.has_room() {
                    let key = Key::new(roster, index, view, load(view), ask, Tie::Affinity);
                    within.offer(key, index, view);
                } else {
                    full.note(view);
                }
            },
        );
        // Tiers are best first, so a later one wins only by its class.
        best.offer_tier(within);
        if best.is_first_class() {
            break;
        }
    }
    full.or_take(best.taken())
}

impl Best {
    fn offer_tier(&mut self, within: Best) {
        let class = |best: &Best| best.found.map_or(u8::MAX, |(key, ..)| key.class);
        if class(&within) < class(self) {
            *self = within;
        }
    }
}
