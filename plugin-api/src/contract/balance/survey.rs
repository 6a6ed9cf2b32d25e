//! Looking at candidates: all of a few, a random sample of many.

use super::view::{Reach, View};
use super::{Candidates, Choice};

/// Up to so many candidates are all looked at. Sixty-four views are about a quarter of a microsecond.
pub const EXACT: usize = 64;

/// So many eligible candidates of a larger roster are compared where one of them is idle.
pub const SAMPLE: usize = 4;

/// So many where the candidates differ in more than their load, so that an idle one may still be a bad choice.
pub const LARGE_SAMPLE: usize = 16;

/// Spreads the bits of a number over the whole word (the finaliser of splitmix64).
#[inline]
pub(super) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number below `bound`, from the upper half of a random word. Its bias is below bound / 2^32.
#[inline]
pub(super) fn below(bound: usize, random: u64) -> usize {
    (((random >> 32) * bound as u64) >> 32) as usize
}

/// Visits each place of a list once: in order if it is short, in a random order if it is long.
///
/// The random order starts anywhere and goes on in steps of a large prime. A prime above the length has no
/// factor in common with it, so the steps meet every place before they return.
pub(super) struct Walk {
    at: usize,
    step: usize,
    len: usize,
    left: usize,
}

/// Primes next to 2^32: above the length of any roster, and far apart modulo most lengths.
const PRIMES: [u64; 16] = [
    4_294_967_311,
    4_294_967_357,
    4_294_967_371,
    4_294_967_377,
    4_294_967_387,
    4_294_967_389,
    4_294_967_459,
    4_294_967_477,
    4_294_967_497,
    4_294_967_513,
    4_294_967_539,
    4_294_967_543,
    4_294_967_549,
    4_294_967_561,
    4_294_967_563,
    4_294_967_569,
];

impl Walk {
    #[inline]
    pub(super) fn new(len: usize, seed: u64) -> Self {
        let (at, step) = match len <= EXACT {
            true => (0, 1),
            false => {
                let random = mix(seed);
                let prime = PRIMES[(random & 15) as usize];
                (below(len, random), (prime % len as u64) as usize)
            }
        };
        Self {
            at,
            step,
            len,
            left: len,
        }
    }
}

impl Iterator for Walk {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let here = self.at;
        self.at += self.step;
        if self.at >= self.len {
            self.at -= self.len;
        }
        Some(here)
    }
}

/// What was seen besides the candidates with room.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Full {
    /// Some eligible candidate is full.
    pub(super) any: bool,
    /// Some full candidate has what is asked for.
    pub(super) having: bool,
}

impl Full {
    /// The answer when `taken` is the best candidate with room.
    #[inline]
    pub(super) fn or_take(self, taken: Option<(usize, Reach)>) -> Choice {
        match taken {
            Some((_, Reach::Absent)) if self.having => Choice::Wait,
            Some((index, _)) => Choice::Take(index),
            None if self.any => Choice::Wait,
            None => Choice::Nothing,
        }
    }

    #[inline]
    pub(super) fn note(&mut self, view: &View) {
        self.any = true;
        self.having |= view.reach != Reach::Absent;
    }
}

/// Shows eligible candidates of a list to `look`, full ones included.
///
/// A short list is shown whole. Of a long one, `sample` healthy ones with room are enough if one of them is idle.
/// Else the walk goes on to [`EXACT`] candidates, and beyond that until it has a sample of any kind.
#[inline]
pub(super) fn survey(
    len: usize,
    sample: usize,
    seed: u64,
    place: impl Fn(usize) -> usize,
    candidates: &impl Candidates,
    mut look: impl FnMut(usize, &View),
) {
    let patience = if len <= EXACT { usize::MAX } else { EXACT };
    let (mut with_room, mut first_class, mut idle) = (0, 0, len <= EXACT);
    let enough = if len <= EXACT { usize::MAX } else { sample };
    for (visited, position) in Walk::new(len, seed).enumerate() {
        if visited >= patience && with_room >= enough {
            return;
        }
        let index = place(position);
        let Some(view) = candidates.get(index) else {
            continue;
        };
        look(index, &view);
        if !view.has_room() {
            continue;
        }
        with_room += 1;
        if view.is_first_class() {
            first_class += 1;
            idle |= view.in_flight == 0 && view.errors() == 0.0;
        }
        if first_class >= enough && idle {
            return;
        }
    }
}
