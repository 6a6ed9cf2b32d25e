//! The favourites of affinity keys, remembered, because finding them among thousands takes too long.

use std::sync::atomic::{AtomicU64, Ordering};

use super::hash::rank;

/// A table of recent keys with the two highest-ranked candidates of each.
///
/// One word a key: 24 bits to recognise it, and two places of 20 bits. A key that is not in the table costs one
/// pass over the hashes (about a nanosecond each) and takes the place of another. It holds ranks alone, so
/// nothing in it grows stale while the roster lives: who is eligible is asked each time.
pub(super) struct Memo {
    /// Written whole and read whole, so a race between two keys loses one of them and mixes neither.
    cells: Box<[AtomicU64]>,
}

const CELLS_BITS: u32 = 10;
const PLACE_BITS: u32 = 20;
const PLACE: u64 = (1 << PLACE_BITS) - 1;

impl Memo {
    /// Rosters above this have places that do not fit; one less, so that no cell in use is zero.
    pub(super) const MAX_LEN: usize = PLACE as usize;

    pub(super) fn new() -> Self {
        Self {
            cells: (0..1usize << CELLS_BITS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(super) fn favourites(&self, key: u64, id_hashes: &[u64]) -> [usize; 2] {
        let cell = &self.cells[(key >> (64 - CELLS_BITS)) as usize];
        let tag = key & ((1 << 24) - 1);
        let word = cell.load(Ordering::Relaxed);
        if word != 0 && word >> (2 * PLACE_BITS) == tag {
            return [
                (word >> PLACE_BITS & PLACE) as usize - 1,
                (word & PLACE) as usize - 1,
            ];
        }
        let [first, second] = highest_two(key, id_hashes);
        cell.store(
            tag << (2 * PLACE_BITS) | (first as u64 + 1) << PLACE_BITS | (second as u64 + 1),
            Ordering::Relaxed,
        );
        [first, second]
    }
}

fn highest_two(key: u64, id_hashes: &[u64]) -> [usize; 2] {
    let mut places = [0, 0];
    let mut ranks = [None, None];
    for (index, &id_hash) in id_hashes.iter().enumerate() {
        let rank = Some(rank(key, id_hash));
        if rank > ranks[0] {
            ranks = [rank, ranks[0]];
            places = [index, places[0]];
        } else if rank > ranks[1] {
            ranks[1] = rank;
            places[1] = index;
        }
    }
    places
}
