//! A tree against a JSON Schema: what does not fit, in words that help.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Misfitting;
use jsonschema::paths::{Location, LocationSegment};
use serde_json::Value;

use super::diagnostics::Mistake;
use super::tree::{Node, Step};
use super::value::format::FORMATS;

mod choice;
mod words;

use words::Words;

/// Something that does not fit the schema.
#[derive(Debug, Clone)]
pub(super) struct Misfit {
    /// What to say.
    pub mistake: Mistake,
    /// What to take out so that the rest fits.
    pub path: Vec<Step>,
    /// Whether it is that something is missing.
    pub missing: bool,
}

/// Everything in `node` that does not fit `schema`. `node` is at `base` within `root`; messages speak of paths
/// from the root.
pub(super) fn validate(schema: &Value, node: &Node, root: &Node, base: &[Step]) -> Vec<Misfit> {
    let mut options = jsonschema::options().should_validate_formats(true);
    for format in FORMATS {
        options = options.with_format(format.name, |text: &str| (format.check)(text).is_ok());
    }
    let validator = match options.build(schema) {
        Ok(validator) => validator,
        Err(error) => {
            // A plugin's schema that is none: its author's mistake, not the operator's.
            let mistake = Mistake::new(format!("the plugin's schema is not valid: {}", error.masked()))
                .at(root.point_at(base), "cannot be checked")
                .help("tell the plugin's author");
            return vec![Misfit {
                mistake,
                path: base.to_vec(),
                missing: false,
            }];
        }
    };
    let instance = node.to_json();
    let words = Words { schema, root, base };
    let mut misfits = Vec::new();
    for error in validator.iter_errors(&instance) {
        collect(&words, &error, &mut misfits);
    }
    misfits
}

/// One error of the validator may be several mistakes: two unknown keys, or what is wrong in the one branch of
/// a choice that was meant.
fn collect(words: &Words<'_>, error: &ValidationError<'_>, misfits: &mut Vec<Misfit>) {
    let path = words.path(error.instance_path());
    match error.kind() {
        Misfitting::AdditionalProperties { unexpected }
        | Misfitting::UnevaluatedProperties { unexpected } => {
            let known = words.sibling_keys(error.schema_path());
            for key in unexpected {
                misfits.push(words.unknown_key(&path, key, &known));
            }
        }
        Misfitting::Required { property } => {
            let property = property.as_str().unwrap_or_default();
            misfits.push(words.missing_key(&path, property, error.schema_path()));
        }
        Misfitting::AnyOf { context } | Misfitting::OneOfNotValid { context } => {
            choice::collect(words, error, context, misfits);
        }
        _ => misfits.push(Misfit {
            mistake: words.misfit(&path, error),
            path,
            missing: false,
        }),
    }
}

/// The steps of a JSON pointer.
fn steps(location: &Location) -> Vec<Step> {
    location
        .iter()
        .map(|segment| match segment {
            LocationSegment::Property(key) => Step::Key(key.to_string()),
            LocationSegment::Index(index) => Step::Index(index),
        })
        .collect()
}
