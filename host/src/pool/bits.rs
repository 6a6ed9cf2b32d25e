//! Sets of instances as bitmaps, one bit for each place in the registry.
//!
//! A requirement is a handful of sets that an instance has to be in, so that looking at an instance compares no
//! strings: a bit is tested for each tag, dialect and feature.

/// How many places a word covers.
const WORD: usize = u64::BITS as usize;

/// A set of places. Built by the registry's writers, then only read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Adds or removes a place.
    pub(super) fn set(&mut self, place: usize, member: bool) {
        let (word, mask) = (place / WORD, 1 << (place % WORD));
        if member {
            if self.words.len() <= word {
                self.words.resize(word + 1, 0);
            }
            self.words[word] |= mask;
        } else if let Some(word) = self.words.get_mut(word) {
            *word &= !mask;
        }
    }

    /// Whether the place is in the set.
    #[inline]
    pub(super) fn contains(&self, place: usize) -> bool {
        self.words
            .get(place / WORD)
            .is_some_and(|word| word & (1 << (place % WORD)) != 0)
    }

    /// Whether no place is in the set.
    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Every place in the set, in ascending order.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.words.len() * WORD).filter(|place| self.contains(*place))
    }
}

impl FromIterator<usize> for Bits {
    fn from_iter<I: IntoIterator<Item = usize>>(places: I) -> Self {
        let mut bits = Bits::default();
        for place in places {
            bits.set(place, true);
        }
        bits
    }
}

#[cfg(test)]
mod tests;
