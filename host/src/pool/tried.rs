//! The instances a request has been to already.

/// How many are remembered; more attempts than that forget the oldest.
const MOST: usize = 8;

/// The instances a request has been to, so that a retry goes elsewhere while there is an elsewhere.
///
/// Kept in place: a request that is never retried pays nothing for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tried {
    keys: [u64; MOST],
    count: usize,
}

impl Tried {
    /// None yet.
    pub const NONE: Tried = Tried {
        keys: [0; MOST],
        count: 0,
    };

    /// Remembers an instance by [`Lease::key`](super::Lease::key).
    pub fn add(&mut self, key: u64) {
        if !self.contains(key) {
            self.keys[self.count % MOST] = key;
            self.count += 1;
        }
    }

    /// Whether the request has been to the instance with this key.
    pub fn contains(&self, key: u64) -> bool {
        self.keys().contains(&key)
    }

    /// Whether the request has been nowhere.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn keys(&self) -> &[u64] {
        &self.keys[..self.count.min(MOST)]
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Tried};

    #[test]
    fn what_was_tried_is_remembered_once() {
        let mut tried = Tried::NONE;
        assert!(tried.is_empty() && !tried.contains(0));
        tried.add(7);
        tried.add(7);
        assert!(tried.contains(7) && !tried.contains(8));
        assert_eq!(tried.count, 1);
    }

    #[test]
    fn beyond_its_size_the_oldest_is_forgotten() {
        let mut tried = Tried::NONE;
        (1..=MOST as u64 + 1).for_each(|key| tried.add(key));
        assert!(!tried.contains(1) && tried.contains(2) && tried.contains(MOST as u64 + 1));
    }
}
