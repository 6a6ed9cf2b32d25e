//! Each key says where it comes from, exactly once, and has a name of its own.

use std::collections::BTreeSet;

use crate::config::diagnostics::Mistake;
use crate::config::draft::Facts;
use crate::config::mask;
use crate::config::tree::{Kind, Node, steps};

/// Reports keys without a source or with two. Looks at the tree because the typed settings cannot hold them.
pub(in crate::config) fn check_sources(tree: &Node, mistakes: &mut Vec<Mistake>) {
    for (index, key) in keys(tree).iter().enumerate() {
        let in_clear = key.entries().iter().any(|entry| mask::sounds_secret(&entry.name));
        // One in clear is reported as that, and is what stands in place of a source.
        if in_clear || has_one_source(key) || !matches!(key.kind, Kind::Table(_)) {
            continue;
        }
        let both = key.entry("key_file").is_some();
        let message = if both {
            "a key comes from `key_file` or from `key_env`, not from both"
        } else {
            "a key needs `key_file` or `key_env`"
        };
        mistakes.push(
            Mistake::new(message)
                .at(
                    tree.point_at(&steps!["host", "keys", index]),
                    if both { "has both" } else { "has neither" },
                )
                .help("write key_env = \"MY_KEY\", or key_file = \"keys/me\""),
        );
    }
}

/// Takes such keys out.
pub(in crate::config) fn drop_without_source(tree: &mut Node) {
    let bad: Vec<usize> = keys(tree)
        .iter()
        .enumerate()
        .filter_map(|(index, key)| (!has_one_source(key)).then_some(index))
        .collect();
    for index in bad.into_iter().rev() {
        tree.remove(&steps!["host", "keys", index]);
    }
}

pub(super) fn check_names(facts: &Facts<'_>, mistakes: &mut Vec<Mistake>) {
    let mut seen = BTreeSet::new();
    for (index, key) in facts.settings.host.keys.iter().enumerate() {
        if !seen.insert(&key.name) {
            mistakes.push(
                Mistake::new(format!("two keys are called `{}`", key.name))
                    .at(
                        facts.tree.point_at(&steps!["host", "keys", index, "name"]),
                        "the second",
                    )
                    .help(
                        "give each caller a name of its own: it is what logs and queues tell them apart by",
                    ),
            );
        }
    }
}

fn has_one_source(key: &Node) -> bool {
    key.entry("key_file").is_some() != key.entry("key_env").is_some()
}

fn keys(tree: &Node) -> &[Node] {
    match tree.at(&steps!["host", "keys"]).map(|node| &node.kind) {
        Some(Kind::Array(items)) => items,
        _ => &[],
    }
}
