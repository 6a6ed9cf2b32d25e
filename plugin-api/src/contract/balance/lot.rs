//! Strategies that draw lots, and the one that does not compare at all.

use super::survey::{EXACT, Full, below, mix};
use super::view::{CLASSES, Reach};
use super::{Ask, Candidates, Choice, Roster};

/// Each eligible candidate with the same chance.
pub(super) fn uniform(roster: &Roster, candidates: &impl Candidates, ask: &Ask) -> Choice {
    draw(roster, candidates, ask, 1.0, |_| 1.0)
}

/// Each eligible candidate with a chance in proportion to its weight.
pub(super) fn weighted(roster: &Roster, candidates: &impl Candidates, ask: &Ask) -> Choice {
    draw(roster, candidates, ask, roster.max_weight(), |index| {
        roster.weight(index)
    })
}

/// A random number from 0 up to 1, from the lower half of a random word: [`below`] uses the upper.
fn unit(random: u64) -> f32 {
    (random as u32 >> 8) as f32 / (1u32 << 24) as f32
}

/// Of many candidates, throws darts: a place at random, accepted with its share of the greatest weight. What is
/// accepted is in exact proportion, whoever is not eligible. A few candidates, or many of which hardly any
/// is eligible, are all looked at.
fn draw(
    roster: &Roster,
    candidates: &impl Candidates,
    ask: &Ask,
    max_weight: f32,
    weight: impl Fn(usize) -> f32,
) -> Choice {
    let mut random = mix(ask.turn);
    if roster.len() > EXACT {
        let mut lesser = None;
        for _ in 0..EXACT {
            random = mix(random);
            let index = below(roster.len(), random);
            if unit(random) * max_weight > weight(index) {
                continue;
            }
            match candidates.get(index) {
                Some(view) if view.has_room() && view.is_first_class() => return Choice::Take(index),
                Some(view) if view.has_room() && view.reach != Reach::Absent => {
                    lesser.get_or_insert(index);
                }
                _ => {}
            }
        }
        if let Some(index) = lesser {
            return Choice::Take(index);
        }
    }
    draw_from_all(roster.len(), candidates, random, weight)
}

/// Keeps one of each class, replacing it with the chance its successor should have had.
fn draw_from_all(
    len: usize,
    candidates: &impl Candidates,
    mut random: u64,
    weight: impl Fn(usize) -> f32,
) -> Choice {
    let mut kept: [Option<(usize, Reach)>; CLASSES] = [None; CLASSES];
    let mut sums = [0.0f64; CLASSES];
    let mut full = Full::default();
    for index in 0..len {
        let Some(view) = candidates.get(index) else {
            continue;
        };
        if !view.has_room() {
            full.note(&view);
            continue;
        }
        let class = usize::from(view.class());
        let weight = f64::from(weight(index));
        sums[class] += weight;
        random = mix(random);
        let chance = (random >> 11) as f64 / (1u64 << 53) as f64;
        if kept[class].is_none() || chance * sums[class] < weight {
            kept[class] = Some((index, view.reach));
        }
    }
    full.or_take(kept.into_iter().flatten().next())
}

/// The first in the configured order. Once a degraded one is found, a healthy one is looked for among so many
/// more, and no further.
pub(super) fn first(roster: &Roster, candidates: &impl Candidates) -> Choice {
    let mut lesser: Option<(u8, usize, Reach)> = None;
    let mut full = Full::default();
    let mut patience = EXACT;
    for index in 0..roster.len() {
        if lesser.is_some() {
            match patience.checked_sub(1) {
                Some(left) => patience = left,
                None => break,
            }
        }
        let Some(view) = candidates.get(index) else {
            continue;
        };
        if !view.has_room() {
            full.note(&view);
        } else if view.is_first_class() {
            return Choice::Take(index);
        } else if lesser.is_none_or(|(class, ..)| view.class() < class) {
            lesser = Some((view.class(), index, view.reach));
        }
    }
    full.or_take(lesser.map(|(_, index, reach)| (index, reach)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_never_one() {
        assert!(unit(u64::MAX) < 1.0);
        assert_eq!(unit(0), 0.0);
    }
}
