//! What a schema cannot say: rules between settings, and between settings and this machine.

mod bindings;
pub(super) mod files;
mod instances;
pub(super) mod keys;
mod listen;
mod names;
pub(super) mod order;
mod secrets;

use super::diagnostics::Mistake;
use super::draft::Facts;

/// Applies every rule.
pub(super) fn check(facts: &Facts<'_>, mistakes: &mut Vec<Mistake>) {
    names::check(facts, mistakes);
    listen::check(facts, mistakes);
    keys::check_names(facts, mistakes);
    secrets::check(facts, mistakes);
    instances::check(facts, mistakes);
    bindings::check(facts, mistakes);
}
