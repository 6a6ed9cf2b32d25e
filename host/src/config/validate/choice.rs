//! Where the schema offers a choice: a misfit is told from the branch that was meant.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Misfitting;
use serde_json::Value;

use super::words::{Words, type_name};
use super::{Misfit, collect as collect_one};
use crate::config::diagnostics::Mistake;
use crate::config::mask;
use crate::config::nearest;
use crate::config::tree::{Kind, Step, dotted};

/// What is wrong with a value that fits no branch of a choice.
pub(super) fn collect(
    words: &Words<'_>,
    error: &ValidationError<'_>,
    branches: &[Vec<ValidationError<'static>>],
    misfits: &mut Vec<Misfit>,
) {
    let path = words.path(error.instance_path());
    let whole = |mistake: Mistake| Misfit::new(mistake, path.to_vec());

    // A list of names.
    let names: Vec<&str> = branches.iter().filter_map(|errors| constant(errors)).collect();
    if !names.is_empty() && names.len() == branches.len() {
        let mistake = match words.root.at(&path) {
            Some(node) if node.as_str().is_none() => words
                .wrong_type(&path, "one of the known names", None)
                .help(format!("known are {}", nearest::list(&names))),
            _ => words.not_among(&path, &names),
        };
        misfits.push(whole(mistake));
        return;
    }

    // Tables of one key each, of which exactly one is to be written.
    let schemas = words
        .schema
        .pointer(error.schema_path().as_str())
        .and_then(Value::as_array);
    let keys: Vec<&str> = schemas
        .into_iter()
        .flatten()
        .filter_map(|schema| match schema.get("required")?.as_array()?.as_slice() {
            [Value::String(key)] => Some(key.as_str()),
            _ => None,
        })
        .collect();
    if !keys.is_empty() && keys.len() == branches.len() {
        one_key(words, &path, &keys, branches, misfits);
        return;
    }

    // The branch whose type is right is the one that was meant.
    let meant = branches.iter().find(|errors| {
        let here = |error: &ValidationError<'_>| words.path(error.instance_path()) == path;
        !errors
            .iter()
            .any(|error| here(error) && matches!(error.kind(), Misfitting::Type { .. }))
    });
    match meant {
        Some(errors) => {
            for error in errors {
                collect_one(words, error, misfits);
            }
        }
        None => {
            let types: Vec<_> = schemas
                .into_iter()
                .flatten()
                .filter_map(|schema| match schema.get("type")?.as_str()? {
                    "array" => Some("a list"),
                    "object" => Some("a table"),
                    "string" => Some("text in quotes"),
                    "boolean" => Some("true or false"),
                    _ => Some("a number"),
                })
                .collect();
            misfits.push(whole(words.wrong_type(&path, &types.join(" or "), None)));
        }
    }
}

/// The name a branch would have taken, if all it wanted was that name.
fn constant<'a>(errors: &'a [ValidationError<'static>]) -> Option<&'a str> {
    errors.iter().find_map(|error| match error.kind() {
        Misfitting::Constant { expected_value } => expected_value.as_str(),
        _ => None,
    })
}

fn one_key(
    words: &Words<'_>,
    path: &[Step],
    keys: &[&str],
    branches: &[Vec<ValidationError<'static>>],
    misfits: &mut Vec<Misfit>,
) {
    let choices: Vec<String> = keys.iter().map(|key| format!("{{ {key} = \"…\" }}")).collect();
    let choices = choices.join(" or ");
    let place = words.root.point_at(path);
    let whole = |mistake: Mistake| Misfit::new(mistake, path.to_vec());
    let Some(node) = words.root.at(path) else { return };
    let Kind::Table(entries) = &node.kind else {
        let in_clear =
            node.as_str().is_some() && matches!(path.first(), Some(Step::Key(key)) if key == "secrets");
        let message = if in_clear {
            format!("`{}` would be a secret in clear", dotted(path))
        } else {
            format!("`{}` must be {choices}, not {}", dotted(path), type_name(node))
        };
        let mistake = Mistake::new(message).at(
            place,
            if in_clear {
                "a secret does not belong here"
            } else {
                "here"
            },
        );
        misfits.push(whole(
            mistake.help(format!("put it into a file or a variable and write {choices}")),
        ));
        return;
    };
    let unknown: Vec<_> = entries
        .iter()
        .filter(|entry| !keys.contains(&entry.name.as_str()))
        .collect();
    for entry in &unknown {
        let mut misfit = words.unknown_key(path, &entry.name, keys);
        if mask::sounds_secret(&entry.name) || entry.name == "value" {
            misfit.mistake.message = format!("`{}` would be a secret in clear", dotted(&misfit.path));
            misfit.mistake.label = "a secret does not belong here".to_owned();
            misfit.mistake.help = Some(format!("put it into a file or a variable and write {choices}"));
        }
        // Without it the table would lack its one key, so all of it goes.
        misfit.path = path.to_vec();
        misfits.push(misfit);
    }
    if !unknown.is_empty() {
        return;
    }
    match entries.as_slice() {
        [only] => {
            let branch = keys
                .iter()
                .position(|key| *key == only.name)
                .and_then(|index| branches.get(index));
            for error in branch.into_iter().flatten() {
                collect_one(words, error, misfits);
            }
        }
        _ => misfits.push(whole(
            Mistake::new(format!(
                "`{}` must have exactly one of {}",
                dotted(path),
                nearest::list(keys)
            ))
            .at(place, "here")
            .help(format!("write {choices}")),
        )),
    }
}
