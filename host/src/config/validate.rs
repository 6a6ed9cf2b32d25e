//! A tree against a JSON Schema: what does not fit, in words that help.

use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind as Misfitting;
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::diagnostics::Mistake;
use super::schema;
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
    pub missing: Option<Vec<Step>>,
    /// Nothing needs to be said, because something else says it already.
    pub(super) silent: bool,
    /// The key that was probably meant, if it is a misspelt one.
    pub meant: Option<Vec<Step>>,
}

impl Misfit {
    fn new(mistake: Mistake, path: Vec<Step>) -> Self {
        Self {
            mistake,
            path,
            missing: None,
            meant: None,
            silent: false,
        }
    }
}

/// Everything in the whole tree that does not fit the schema of the file.
pub(super) fn validate_file(tree: &Node) -> Vec<Misfit> {
    // Built once: it costs more than everything else here.
    static VALIDATOR: LazyLock<Result<Validator, String>> =
        LazyLock::new(|| build(schema::of_file()).map_err(|error| error.to_string()));
    match &*VALIDATOR {
        Ok(validator) => misfits(validator, schema::of_file(), tree, tree, &[]),
        // Only a fault in this program leads here; the tests would have to miss it.
        Err(error) => vec![Misfit::new(Mistake::new(error), Vec::new())],
    }
}

/// A plugin's schema, ready to be checked against: making it ready costs far more than a check, so it is done once for
/// a whole list of instances.
pub(super) struct Schema {
    schema: Value,
    /// What is wrong with the schema itself, if anything is.
    validator: Result<Validator, String>,
}

impl Schema {
    pub(super) fn new(schema: Value) -> Self {
        let validator = build(&schema).map_err(|error| error.masked().to_string());
        Self { schema, validator }
    }

    /// Everything in `node` that does not fit. `node` is at `base` within `root`; messages speak of paths from the root.
    pub(super) fn misfits(&self, node: &Node, root: &Node, base: &[Step]) -> Vec<Misfit> {
        match &self.validator {
            Ok(validator) => misfits(validator, &self.schema, node, root, base),
            Err(error) => {
                // A schema that is none is its author's mistake, not the operator's.
                let mistake = Mistake::new(format!("the plugin's schema is not valid: {error}"))
                    .at(root.point_at(base), "cannot be checked")
                    .help("tell the plugin's author");
                vec![Misfit::new(mistake, base.to_vec())]
            }
        }
    }
}

fn build(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    let mut options = jsonschema::options().should_validate_formats(true);
    for format in FORMATS {
        options = options.with_format(format.name, |text: &str| (format.check)(text).is_ok());
    }
    options.build(schema)
}

fn misfits(validator: &Validator, schema: &Value, node: &Node, root: &Node, base: &[Step]) -> Vec<Misfit> {
    let instance = node.to_json();
    let words = Words { schema, root, base };
    let mut misfits = Vec::new();
    for error in validator.iter_errors(&instance) {
        collect(&words, &error, &mut misfits);
    }
    // A misspelt key and the missing one it was meant to be are one mistake.
    let meant: Vec<_> = misfits.iter().filter_map(|misfit| misfit.meant.clone()).collect();
    for misfit in &mut misfits {
        misfit.silent = misfit
            .missing
            .as_ref()
            .is_some_and(|missing| meant.contains(missing));
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
        _ => misfits.push(Misfit::new(words.misfit(&path, error), path)),
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
