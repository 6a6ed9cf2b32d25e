//! The labels by which containers are known as ours, and by which whoever finds one can tell whether it is an orphan.

use std::collections::HashMap;

use plugin_api::owner::Owner;

/// The machine of the owner, and the namespace its process numbers count in: every container of ours has it.
pub(crate) const MACHINE: &str = "gleitzeit.machine";
/// What all labels begin with; behind it, also the other parts of an owner.
const OURS: &str = "gleitzeit.";
/// When the container was asked for, in seconds since 1970.
pub(crate) const CREATED: &str = "gleitzeit.created";
/// When it must be gone, in seconds since 1970, whoever made it.
pub(crate) const DEADLINE: &str = "gleitzeit.deadline";
/// What it is: [`SANDBOX`], [`RUN`] or [`OPERATOR`].
pub(crate) const KIND: &str = "gleitzeit.kind";
/// Which attempt to create a container it came of: a name may be taken by another of the same process's.
pub(crate) const ATTEMPT: &str = "gleitzeit.attempt";
/// What [`Hub::start`](plugin_api::Hub::start) made.
pub(crate) const SANDBOX: &str = "sandbox";
/// What a verb made and waits for.
pub(crate) const RUN: &str = "run";
/// What a verb made to stay: nobody's orphan.
pub(crate) const OPERATOR: &str = "operator";

/// The labels that say whose a container is.
pub(crate) fn of(owner: &Owner) -> HashMap<String, String> {
    let fields = owner.fields().into_iter();
    fields
        .map(|(name, value)| (format!("{OURS}{name}"), value))
        .collect()
}

/// Whose a container is; `None` where it is none of ours.
pub(crate) fn owner(labels: &HashMap<String, String>) -> Option<Owner> {
    Owner::from_fields(|name| labels.get(&format!("{OURS}{name}")).map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_say_whose_a_container_is() {
        let this = Owner::this();
        let labels = of(&this);
        assert!(labels.contains_key(MACHINE));
        assert_eq!(owner(&labels), Some(this));
        assert_eq!(owner(&[("foreign".to_owned(), "label".to_owned())].into()), None);
    }
}
