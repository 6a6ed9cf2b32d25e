//! Containers that an engine cannot get rid of.

use std::collections::HashMap;

use parking_lot::Mutex;

/// Those that should be gone and are not, each with how often that was seen. Whoever looks every so often has one thing to
/// say of each, not one at every look.
#[derive(Debug, Default)]
pub(crate) struct Stuck {
    seen: Mutex<HashMap<String, u32>>,
}

impl Stuck {
    /// One is still there: how often that was seen by now.
    pub(crate) fn see(&self, container: &str) -> u32 {
        let mut seen = self.seen.lock();
        let times = seen.entry(container.to_owned()).or_default();
        *times = times.saturating_add(1);
        *times
    }

    /// Forgets those that are gone.
    pub(crate) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.seen.lock().retain(|container, _| is_there(container));
    }

    /// Those that were seen more than once: anything may be on its way out at a single look.
    pub(crate) fn all(&self) -> Vec<String> {
        let seen = self.seen.lock();
        let mut stuck: Vec<String> = seen
            .iter()
            .filter(|(_, times)| **times > 1)
            .map(|(container, _)| container.clone())
            .collect();
        stuck.sort();
        stuck
    }
}
