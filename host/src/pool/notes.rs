//! What the engine knows better than the last probe: a model that a request has just brought in, one that an
//! instance turned out not to have.
//!
//! A probe or refresh that was under way when a note was taken saw the world before it, and must not undo it; one
//! that began later knows better. So notes and looks are numbered. Of several looks at once (a probe, a refresh, a
//! verb's) the one that began last counts, in whatever order they end.

use std::collections::HashMap;

use plugin_api::contract::instance::{Capability, Residency};
use plugin_api::contract::reference::normalise;

/// News about one capability of one instance.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// It is there, like this.
    Present(Capability),
    /// It can be used at once, loaded like this; where it was not known, it is now.
    Loaded(std::collections::BTreeMap<String, i64>),
    /// It is still there, but no longer in memory.
    Unloaded,
    /// It is not there.
    Gone,
}

/// The beginning of a look at an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// The number of the look.
    look: u64,
    /// The number of the latest note as it began.
    note: u64,
}

/// The notes of one instance.
#[derive(Debug, Default)]
pub(super) struct Notes {
    taken: u64,
    looks: u64,
    /// The latest look that was believed.
    believed: u64,
    /// By normalised name.
    by_name: HashMap<String, (u64, Note)>,
}

impl Notes {
    /// A look at the instance begins.
    pub(super) fn look(&mut self) -> Seen {
        self.looks += 1;
        Seen {
            look: self.looks,
            note: self.taken,
        }
    }

    /// Takes a note, and applies it to what is known.
    pub(super) fn take(&mut self, name: &str, note: Note, known: &mut Vec<Capability>) {
        self.taken += 1;
        let name = normalise(name);
        apply(&name, &note, known);
        self.by_name.insert(name.into_owned(), (self.taken, note));
    }

    /// A look found these: what it could have seen of the notes is settled by it, later notes are applied on top.
    /// `false`: a look that began later has ended before it, and knew better.
    pub(super) fn merge(&mut self, seen: Seen, found: &mut Vec<Capability>) -> bool {
        if seen.look < self.believed {
            return false;
        }
        self.believed = seen.look;
        self.by_name.retain(|_, (taken, _)| *taken > seen.note);
        for (name, (_, note)) in &self.by_name {
            apply(name, note, found);
        }
        true
    }
}

fn apply(name: &str, note: &Note, known: &mut Vec<Capability>) {
    let same = |capability: &Capability| normalise(&capability.name) == name;
    match note {
        Note::Present(capability) => {
            known.retain(|other| !same(other));
            known.push(capability.clone());
        }
        Note::Loaded(shape) => {
            if !known.iter().any(same) {
                known.push(Capability {
                    name: name.to_owned(),
                    ..Capability::default()
                });
            }
            for capability in known.iter_mut().filter(|capability| same(capability)) {
                capability.residency = Residency::Loaded;
                if !shape.is_empty() {
                    capability
                        .loaded_as
                        .extend(shape.iter().map(|(key, value)| (key.clone(), *value)));
                }
            }
        }
        Note::Unloaded => {
            for capability in known.iter_mut().filter(|capability| same(capability)) {
                capability.residency = Residency::Stored;
                capability.loaded_as.clear();
            }
        }
        Note::Gone => known.retain(|capability| !same(capability)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use plugin_api::contract::instance::{Capability, Residency};

    use super::{Note, Notes};

    fn stored(name: &str) -> Vec<Capability> {
        vec![Capability {
            name: name.into(),
            ..Capability::default()
        }]
    }

    #[test]
    fn a_look_that_began_before_a_note_does_not_undo_it() {
        let mut notes = Notes::default();
        let mut known = stored("m");
        let seen = notes.look();
        notes.take("M:latest", Note::Loaded(BTreeMap::new()), &mut known);
        assert_eq!(known[0].residency, Residency::Loaded);

        let mut found = stored("m");
        notes.merge(seen, &mut found);
        assert_eq!(
            found[0].residency,
            Residency::Loaded,
            "the look was too old to know"
        );

        let later = notes.look();
        let mut found = stored("m");
        notes.merge(later, &mut found);
        assert_eq!(found[0].residency, Residency::Stored, "this look saw it unloaded");
    }

    #[test]
    fn what_is_gone_stays_gone_until_a_later_look_finds_it() {
        let mut notes = Notes::default();
        let (mut known, seen) = (stored("m"), notes.look());
        notes.take("m", Note::Gone, &mut known);
        assert!(known.is_empty());
        let mut found = stored("m");
        notes.merge(seen, &mut found);
        assert!(found.is_empty());
        let mut found = stored("m");
        let later = notes.look();
        notes.merge(later, &mut found);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn of_looks_at_once_the_one_that_began_last_counts() {
        let mut notes = Notes::default();
        let (early, late) = (notes.look(), notes.look());
        assert!(notes.merge(late, &mut stored("new")));
        assert!(
            !notes.merge(early, &mut stored("old")),
            "it ended late, but began early"
        );
        let next = notes.look();
        assert!(notes.merge(next, &mut Vec::new()));
    }

    #[test]
    fn a_capability_nobody_knew_of_appears_when_it_was_used() {
        let mut notes = Notes::default();
        let mut known = Vec::new();
        notes.take(
            "m",
            Note::Loaded(BTreeMap::from([("num_ctx".to_owned(), 1)])),
            &mut known,
        );
        assert_eq!(
            (known[0].name.as_str(), known[0].loaded_as["num_ctx"]),
            ("m:latest", 1)
        );
        notes.take("m", Note::Unloaded, &mut known);
        assert!(known[0].loaded_as.is_empty() && known[0].residency == Residency::Stored);
        notes.take("m", Note::Present(stored("m")[0].clone()), &mut known);
        assert_eq!(known, stored("m"));
    }
}
