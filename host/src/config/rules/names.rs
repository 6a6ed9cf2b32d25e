//! Names of hubs and providers show up in headers, metrics and paths, so they are plain.

use crate::config::diagnostics::Mistake;
use crate::config::draft::Facts;
use crate::config::tree::steps;

pub(super) fn check(facts: &Facts<'_>, mistakes: &mut Vec<Mistake>) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    for table in ["hubs", "providers"] {
        let Some(node) = facts.tree.at(&steps![table]) else {
            continue;
        };
        for entry in node.entries() {
            let name = &entry.name;
            if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
                mistakes.push(
                    Mistake::new(format!("{name:?} cannot be a name in `{table}`"))
                        .at(Some(entry.key.clone()), "not a plain name")
                        .help("use up to 64 letters, digits, dashes, underscores and dots"),
                );
            }
        }
    }
}
