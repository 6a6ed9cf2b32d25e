//! The nearest known name to one that is not known.

/// The known name that was probably meant, if one is near enough to be helpful.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let wanted = plain(name);
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let distance = strsim::damerau_levenshtein(&wanted, &plain(candidate));
        if best.is_none_or(|(nearest, _)| distance < nearest) {
            best = Some((distance, candidate));
        }
    }
    let (distance, candidate) = best?;
    let length = wanted.chars().count().max(candidate.chars().count());
    // A third of the letters may differ: beyond that a suggestion misleads more than it helps.
    (distance * 3 <= length).then_some(candidate)
}

/// "did you mean `x`?", or the known names where none is near and they are few enough to read.
pub fn suggestion(name: &str, known: &[&str]) -> Option<String> {
    match nearest(name, known.iter().copied()) {
        Some(candidate) => Some(format!("did you mean `{candidate}`?")),
        None if known.is_empty() => None,
        None => Some(format!("known are {}", list(known))),
    }
}

/// Names for a sentence: `a`, `b`, `c`.
pub fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{nearest, suggestion};

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(nearest("stratgey", ["strategy", "start"]), Some("strategy"));
        assert_eq!(
            nearest("round-robin", ["random", "round_robin"]),
            Some("round_robin")
        );
    }

    #[test]
    fn nothing_is_suggested_that_is_far() {
        assert_eq!(nearest("banana", ["strategy", "start"]), None);
    }

    #[test]
    fn where_nothing_is_near_the_known_names_are_listed() {
        assert_eq!(
            suggestion("banana", &["file", "env"]).unwrap(),
            "known are `file`, `env`"
        );
    }
}
