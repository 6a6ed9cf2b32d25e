//! Which request meets which fault.

use std::collections::HashMap;

use http::Method;

use super::Fault;

/// The faults in force.
///
/// Asked once per request. What was said of the next requests comes before what was said of their path, and that
/// before what was said of all.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    all: Option<Fault>,
    paths: HashMap<String, Fault>,
    next: Option<(usize, Fault)>,
    spare_probes: bool,
}

impl Rules {
    pub(crate) fn all(&mut self, fault: Fault) {
        self.all = Some(fault);
    }

    pub(crate) fn on(&mut self, path: &str, fault: Fault) {
        self.paths.insert(path.to_owned(), fault);
    }

    pub(crate) fn next(&mut self, requests: usize, fault: Fault) {
        self.next = (requests > 0).then_some((requests, fault));
    }

    pub(crate) fn spare_probes(&mut self, spare: bool) {
        self.spare_probes = spare;
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether the whole server is to be unreachable.
    pub(crate) fn refuses_all(&self) -> bool {
        self.all == Some(Fault::Refuse) && !self.spare_probes
    }

    /// The fault this request meets; counts it against [`Rules::next`].
    pub(crate) fn meet(&mut self, method: &Method, path: &str) -> Option<Fault> {
        if self.spare_probes && (method == Method::GET || method == Method::HEAD) {
            return None;
        }
        if let Some((left, fault)) = self.next.take() {
            if left > 1 {
                self.next = Some((left - 1, fault.clone()));
            }
            return Some(fault);
        }
        self.paths.get(path).or(self.all.as_ref()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_requests_come_before_their_path_and_the_path_before_all() {
        let mut rules = Rules::default();
        rules.all(Fault::Error500);
        rules.on("/api/chat", Fault::Garbage);
        rules.next(1, Fault::Busy);
        assert_eq!(rules.meet(&Method::POST, "/api/chat"), Some(Fault::Busy));
        assert_eq!(rules.meet(&Method::POST, "/api/chat"), Some(Fault::Garbage));
        assert_eq!(rules.meet(&Method::POST, "/api/show"), Some(Fault::Error500));
        rules.clear();
        assert_eq!(rules.meet(&Method::POST, "/api/chat"), None);
    }

    #[test]
    fn spared_probes_neither_fail_nor_use_up_what_the_next_requests_were_to_meet() {
        let mut rules = Rules::default();
        rules.spare_probes(true);
        rules.next(1, Fault::Busy);
        assert_eq!(rules.meet(&Method::GET, "/api/tags"), None);
        assert_eq!(rules.meet(&Method::POST, "/api/chat"), Some(Fault::Busy));
    }
}
