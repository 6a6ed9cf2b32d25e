//! `model_affinity`: use what is loaded, and load no more than load and backlog justify.
//!
//! Bringing a model into memory takes seconds to minutes and may push another one out, so a candidate that has
//! it loaded is worth waiting for, but not for ever. The rule, from the best reach down
//! ([`Ready`](Reach::Ready), [`Loaded`](Reach::Loaded), [`Stored`](Reach::Stored), [`Absent`](Reach::Absent)):
//!
//! - Candidates of the best reach that anybody has, with room: the least loaded of them. With an affinity key,
//!   its favourite among them instead, as long as that one is within 1.25 × its share of their load.
//! - All of them full: the next reach is used only if at least as many requests wait already as the full ones
//!   take at once. Before that, waiting for the next one to finish is quicker than loading, and keeps one
//!   burst from loading a model everywhere. Else wait.
//! - A candidate without limit is never full, and would collect everything. Where the best has
//!   [`CROWDED`] requests or more in flight and one of the next reach is idle, that one is used.
//! - Nothing is fetched ([`Absent`](Reach::Absent)) while anybody eligible has it, full or not.
//! - Healthy ones first, by these rules. Degraded ones if no healthy one has it; or, rather than wait for a
//!   healthy one, if a degraded one has it loaded.

use super::hash::{Total, rank};
use super::score::{Best, Key, Tie, load};
use super::survey::{EXACT, SAMPLE, survey};
use super::view::{NOMINAL_CAPACITY, Reach, View};
use super::{Ask, Candidates, Choice, Roster};

/// So many requests on a candidate without limit are a crowd.
pub const CROWDED: u32 = 2 * NOMINAL_CAPACITY;

/// All candidates of one reach, either healthy or degraded.
#[derive(Clone, Copy, Default)]
struct Group {
    total: Total,
    /// How many requests they take at once.
    slots: u64,
    best: Best,
    /// In flight at the best.
    best_in_flight: u32,
    best_limited: bool,
}

impl Group {
    fn add(&mut self, roster: &Roster, ask: &Ask, index: usize, view: &View) {
        self.total.add(view);
        self.slots += u64::from(view.slots());
        if view.has_room() {
            let before = self.best.taken();
            let key = Key::new(roster, index, view, load(view), ask, Tie::Affinity);
            self.best.offer(key, index, view);
            if self.best.taken() != before {
                self.best_in_flight = view.in_flight;
                self.best_limited = view.capacity.is_some();
            }
        }
    }

    fn is_crowded(&self) -> bool {
        !self.best_limited && self.best_in_flight >= CROWDED
    }
}

/// Groups by reach, best first, as [`Reach::DESCENDING`].
type Groups = [Group; 4];

fn place(reach: Reach) -> usize {
    Reach::Ready as usize - reach as usize
}

pub(super) fn choose(roster: &Roster, candidates: &impl Candidates, ask: &Ask) -> Choice {
    let (mut healthy, mut degraded) = (Groups::default(), Groups::default());
    for tier in roster.by_reach().iter() {
        let mut first_class_with_room = false;
        survey(
            tier.len(),
            SAMPLE,
            ask.turn,
            |position| tier[position] as usize,
            candidates,
            |index, view| {
                let groups = if view.degraded {
                    &mut degraded
                } else {
                    &mut healthy
                };
                groups[place(view.reach)].add(roster, ask, index, view);
                first_class_with_room |= view.is_first_class() && view.has_room();
            },
        );
        // Tiers are by reach, so a later one has nothing better than an uncrowded best.
        if roster.len() > EXACT && first_class_with_room && !crowded(&healthy) {
            break;
        }
    }
    let verdicts = (decide(&healthy, ask.waiting), decide(&degraded, ask.waiting));
    match verdicts {
        (Verdict::Take(Reach::Absent) | Verdict::Nothing, Verdict::Wait) => Choice::Wait,
        (Verdict::Take(Reach::Absent), Verdict::Take(reach)) if reach > Reach::Absent => {
            take(roster, candidates, ask, &degraded, true, reach)
        }
        (Verdict::Take(reach), _) => take(roster, candidates, ask, &healthy, false, reach),
        (Verdict::Wait, Verdict::Take(reach)) if reach >= Reach::Loaded => {
            take(roster, candidates, ask, &degraded, true, reach)
        }
        (Verdict::Wait, _) => Choice::Wait,
        (Verdict::Nothing, Verdict::Take(reach)) => take(roster, candidates, ask, &degraded, true, reach),
        (Verdict::Nothing, Verdict::Nothing) => Choice::Nothing,
    }
}

fn crowded(groups: &Groups) -> bool {
    groups
        .iter()
        .find(|group| group.best.taken().is_some())
        .is_some_and(Group::is_crowded)
}

enum Verdict {
    Take(Reach),
    Wait,
    Nothing,
}

/// The reach to use, by the rules above.
fn decide(groups: &Groups, waiting: u32) -> Verdict {
    let mut slots_above = 0;
    for (position, group) in groups.iter().enumerate() {
        let reach = Reach::DESCENDING[position];
        if group.best.taken().is_none() {
            slots_above += group.slots;
            continue;
        }
        if slots_above > 0 && (reach == Reach::Absent || u64::from(waiting) < slots_above) {
            return Verdict::Wait;
        }
        if group.is_crowded()
            && let Some(idle) = idle_below(groups, position)
        {
            return Verdict::Take(idle);
        }
        return Verdict::Take(reach);
    }
    match slots_above {
        0 => Verdict::Nothing,
        _ => Verdict::Wait,
    }
}

fn idle_below(groups: &Groups, position: usize) -> Option<Reach> {
    let (next, _) = Reach::DESCENDING
        .iter()
        .zip(groups)
        .skip(position + 1)
        .filter(|(reach, _)| **reach != Reach::Absent)
        .find(|(_, group)| group.best.taken().is_some() && group.best_in_flight == 0)?;
    Some(*next)
}

/// The affinity key's favourite within the group if its load allows, else the group's least loaded.
fn take(
    roster: &Roster,
    candidates: &impl Candidates,
    ask: &Ask,
    groups: &Groups,
    degraded: bool,
    reach: Reach,
) -> Choice {
    let group = &groups[place(reach)];
    let Some((least_loaded, _)) = group.best.taken() else {
        return Choice::Wait;
    };
    let Some(key) = ask.affinity else {
        return Choice::Take(least_loaded);
    };
    let exact = roster.len() <= EXACT;
    let fits = |view: &View| {
        view.reach == reach
            && view.degraded == degraded
            && view.has_room()
            && load_allows(view, &group.total, exact)
    };
    let favourite = match roster.favourites(key) {
        Some(favourites) => favourites
            .into_iter()
            .find(|&index| candidates.get(index).is_some_and(|view| fits(&view))),
        None => (0..roster.len())
            .filter(|&index| candidates.get(index).is_some_and(|view| fits(&view)))
            .max_by_key(|&index| rank(key, roster.id_hash(index))),
    };
    Choice::Take(favourite.unwrap_or(least_loaded))
}

/// A favourite that fails is no favourite.
fn load_allows(view: &View, total: &Total, exact: bool) -> bool {
    view.errors() < 0.5 && total.allows(view, exact)
}
