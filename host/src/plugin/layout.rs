//! Whether the types that cross the boundary have the same shape on both sides.
//!
//! The framework's own check lets a plugin have more methods than the host knows, never fewer, so a host of 1.1
//! would refuse every plugin of 1.0. It also remembers what it has seen, so that one plugin's acceptance would
//! hang on another's. Hence: both directions, each with a memory of its own. Either one passing means that the
//! side with fewer methods is a prefix of the other, which is what the two can live with: whoever calls a method
//! that is not there gets its default body.

use std::fmt::Display;

use abi_stable::StableAbi;
use abi_stable::abi_stability::abi_checking::{
    AbiInstability, AbiInstabilityErrors, CheckingGlobals, check_layout_compatibility_with_globals,
};
use abi_stable::type_layout::{TLFieldOrFunction, TypeLayout};
use plugin_api::abi::raw::PluginMod_Ref;

/// Where two layouts differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// The field or function that differs, with those around it.
    pub(super) place: String,
    /// How it differs.
    pub(super) problem: String,
    /// Everything the framework has to say about it: some 20 kB.
    pub(super) whole: String,
}

/// Compares a library's root module, and every type reached from it, with ours.
///
/// # Errors
/// Neither is a prefix of the other. What is reported is the difference in the direction that could have passed:
/// an older plugin as a prefix of ours, or ours as a prefix of a newer one.
pub(super) fn check(theirs: &'static TypeLayout, theirs_is_newer: bool) -> Result<(), Mismatch> {
    let ours = <PluginMod_Ref as StableAbi>::LAYOUT;
    let newer = check_layout_compatibility_with_globals(ours, theirs, &CheckingGlobals::new());
    let Err(newer) = newer else { return Ok(()) };
    let older = check_layout_compatibility_with_globals(theirs, ours, &CheckingGlobals::new());
    let Err(older) = older else { return Ok(()) };
    Err(if theirs_is_newer {
        describe(&newer, |difference| problem(difference, "host", "plugin"))
    } else {
        describe(&older, |difference| problem(difference, "plugin", "host"))
    })
}

fn describe(errors: &AbiInstabilityErrors, problem: impl Fn(&AbiInstability) -> String) -> Mismatch {
    // Types that differ only because something within them does come first, with no error of their own.
    let first = errors.errors.iter().find(|error| !error.errs.is_empty());
    let mut place: Vec<_> = first
        .iter()
        .flat_map(|error| error.stack_trace.iter())
        .map(|step| name(&step.found))
        .filter(|name| !name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    // A field that is a function is two steps of one name.
    place.dedup();
    if place.is_empty() {
        place.push("the root module");
    }
    Mismatch {
        place: place.join("."),
        problem: first
            .and_then(|error| error.errs.first())
            .map_or_else(|| "it differs".to_owned(), problem),
        whole: errors.to_string(),
    }
}

fn name(step: &TLFieldOrFunction) -> &'static str {
    match step {
        TLFieldOrFunction::Field(field) if field.name() == "__returns" => "result",
        TLFieldOrFunction::Field(field) => field.name(),
        TLFieldOrFunction::Function(function) => function.name.as_str(),
    }
}

/// How two things differ, of which the first (in the order of the check) is that of `one` side.
fn problem(difference: &AbiInstability, one: &str, other: &str) -> String {
    let sides = |first: &dyn Display, second: &dyn Display| format!("{one} has {first}, {other} {second}");
    match difference {
        AbiInstability::Name(types) => sides(&types.expected, &types.found),
        AbiInstability::Size(sizes) => {
            let sizes = sides(&sizes.expected, &sizes.found);
            format!("{sizes} bytes")
        }
        AbiInstability::FieldCountMismatch(counts) => {
            let counts = sides(&counts.expected, &counts.found);
            format!("{counts} fields")
        }
        AbiInstability::UnexpectedField(fields) => sides(&fields.expected.name(), &fields.found.name()),
        _ => "it differs".to_owned(),
    }
}
