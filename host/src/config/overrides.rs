//! What the environment and the command line say, laid over the file.
//!
//! `--set hubs.gpus.strategy=round_robin` and `GLEITZEIT_HUBS__GPUS__STRATEGY=round_robin` say the same. A value
//! is TOML where it is TOML, and text otherwise, so that neither addresses nor names need two kinds of quotes.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use super::diagnostics::Mistake;
use super::nearest;
use super::parse;
use super::source::{Place, SourceMap};
use super::tree::{Entry, Kind, Node};

/// Short names for what is set in the environment most often.
pub const SHORT_VARIABLES: [(&str, [&str; 2]); 2] = [
    ("GLEITZEIT_LISTEN", ["host", "listen"]),
    ("GLEITZEIT_STATE_DIR", ["host", "state_dir"]),
];

/// The tables of the file, the first part of every long variable.
const TABLES: [&str; 4] = ["host", "hubs", "providers", "secrets"];

/// Lays every `GLEITZEIT_TABLE__KEY…` over the tree.
pub(super) fn lay_environment(
    tree: &mut Node,
    environment: &BTreeMap<String, String>,
    sources: &mut SourceMap,
    mistakes: &mut Vec<Mistake>,
) {
    for (variable, text) in environment {
        let Some(rest) = variable.strip_prefix("GLEITZEIT_") else {
            continue;
        };
        let short = SHORT_VARIABLES.iter().find(|(name, _)| name == variable);
        if short.is_none() && !rest.contains("__") {
            continue;
        }
        let whole = sources.add("the environment", &format!("{variable}={text}"));
        let name_place = whole.within(0..variable.len());
        let value_place = whole.within(variable.len() + 1..variable.len() + 1 + text.len());
        let path = match short {
            Some((_, path)) => path.iter().map(|part| (*part).to_owned()).collect(),
            None => spelled_as_in(tree, rest),
        };
        if let Some(first) = path.first().filter(|first| !TABLES.contains(&first.as_str())) {
            let mut mistake = Mistake::new(format!("no setting is called `{variable}`"))
                .at(Some(name_place), format!("there is no table `{first}`"));
            mistake.help = nearest::suggestion(first, &TABLES);
            mistakes.push(mistake);
            continue;
        }
        let path = path.into_iter().map(|part| (part, name_place.clone())).collect();
        let value = lenient_value(text, &value_place, mistakes);
        tree.overlay(nested(path, value, &whole));
    }
}

/// Lays every `--set key=value` over the tree, in order.
pub(super) fn lay_flags(
    tree: &mut Node,
    sets: &[String],
    sources: &mut SourceMap,
    mistakes: &mut Vec<Mistake>,
) {
    const FLAG: &str = "--set ";
    for set in sets {
        let whole = sources.add("the command line", &format!("{FLAG}{set}"));
        let Some(equals) = set.find('=') else {
            mistakes.push(
                Mistake::new(format!("`{set}` sets nothing"))
                    .at(Some(whole), "there is no `=`")
                    .help("write --set hubs.gpus.strategy=round_robin"),
            );
            continue;
        };
        let key_place = whole.within(FLAG.len()..FLAG.len() + equals);
        let value_start = FLAG.len() + equals + 1;
        let value_place = whole.within(value_start..FLAG.len() + set.len());
        match parse::key(&set[..equals], &key_place) {
            Ok(path) => {
                let value = lenient_value(&set[equals + 1..], &value_place, mistakes);
                tree.overlay(nested(path, value, &whole));
            }
            Err(broken) => mistakes.extend(broken),
        }
    }
}

/// The path a variable's name means. Variables are upper case and have no dashes, so where the tree has a key
/// that is the same but for that, its spelling is taken.
fn spelled_as_in(tree: &Node, rest: &str) -> Vec<String> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let mut node = Some(tree);
    rest.split("__")
        .map(|part| {
            let part = part.to_lowercase();
            let known = node.and_then(|node| node.entries().iter().find(|entry| plain(&entry.name) == part));
            node = known.map(|entry| &entry.node);
            known.map_or(part, |entry| entry.name.clone())
        })
        .collect()
}

/// TOML if it is TOML, and text otherwise. What begins like a list, a table or a quoted text is meant as TOML,
/// so there a mistake is reported.
fn lenient_value(text: &str, place: &Place, mistakes: &mut Vec<Mistake>) -> Node {
    let (node, broken) = parse::value(text, place);
    if broken.is_empty() {
        return node;
    }
    let address = text.parse::<SocketAddr>().is_ok();
    if text.starts_with(['[', '{', '"', '\'']) && !address {
        mistakes.extend(broken);
        return node;
    }
    Node {
        place: place.clone(),
        kind: Kind::Scalar(Value::String(text.to_owned())),
    }
}

fn nested(path: Vec<(String, Place)>, value: Node, whole: &Place) -> Node {
    path.into_iter().rev().fold(value, |node, (name, key)| Node {
        place: whole.clone(),
        kind: Kind::Table(vec![Entry { name, key, node }]),
    })
}
