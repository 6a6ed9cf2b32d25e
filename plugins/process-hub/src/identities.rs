//! Identities for boxes: ranges of user numbers that nobody on this machine has.

use std::collections::HashSet;
use std::sync::Arc;

use confine::{FIRST_FREE_ID, IDS_OF_A_BOX};
use parking_lot::Mutex;

/// How many ranges there are.
const RANGES: u32 = 0x0FFF;

/// Ranges in use by this hub. Another host on this machine chooses at random too; should both choose the same, their
/// boxes still see nothing of each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identities {
    used: Arc<Mutex<HashSet<u32>>>,
}

impl Identities {
    /// A range for a box; `None` where all are in use.
    pub(crate) fn take(&self) -> Option<Range> {
        let start = fastrand::u32(0..RANGES);
        let mut used = self.used.lock();
        let number = (0..RANGES)
            .map(|step| (start + step) % RANGES)
            .find(|number| !used.contains(number))?;
        used.insert(number);
        Some(Range {
            number,
            used: self.used.clone(),
        })
    }
}

/// A range that is a box's until this is dropped.
#[derive(Debug)]
pub(crate) struct Range {
    number: u32,
    used: Arc<Mutex<HashSet<u32>>>,
}

impl Range {
    /// Its first number.
    pub(crate) fn first(&self) -> u32 {
        FIRST_FREE_ID + self.number * IDS_OF_A_BOX
    }
}

impl Drop for Range {
    fn drop(&mut self) {
        self.used.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_boxes_share_a_range_and_each_is_given_back() {
        let identities = Identities::default();
        let ranges: Vec<_> = std::iter::from_fn(|| identities.take()).collect();
        assert_eq!(ranges.len(), RANGES as usize);
        let firsts: HashSet<u32> = ranges.iter().map(Range::first).collect();
        assert_eq!(firsts.len(), ranges.len());
        assert!(
            firsts
                .iter()
                .all(|first| first.checked_add(IDS_OF_A_BOX).is_some_and(|end| end < 1 << 31))
        );
        drop(ranges);
        assert!(identities.take().is_some());
    }
}
