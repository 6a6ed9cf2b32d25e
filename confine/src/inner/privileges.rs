//! Rights: who the process is, and what it may do.

use std::collections::BTreeSet;

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_capabilities_secure_bits, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use crate::Refusal;
use crate::identity::each;
use crate::refusal::While;

/// Becomes this user and group, in no other group. There is one thread, so it is the process that does.
pub(super) fn become_user(user: u32, group: u32) -> Result<(), Refusal> {
    let what = || format!("becoming user {user}:{group}");
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    set_thread_groups(&[]).during(what())?;
    set_thread_res_gid(Some(group), Some(group), Some(group)).during(what())?;
    set_thread_res_uid(Some(user), Some(user), Some(user)).during(what())
}

/// Keeps exactly these capabilities, in every set, and closes the ways to more.
///
/// They are ambient, and being user 0 is worth nothing (`NOROOT`), so that the same holds whoever the user is. What
/// starts as 0 and becomes somebody else loses them, as ever.
pub(super) fn keep_only(names: &BTreeSet<String>) -> Result<(), Refusal> {
    const WHAT: &str = "giving capabilities away";
    let keep = parse(names)?;
    clear_ambient_capability_set().during(WHAT)?;
    for one in each(CapabilitySet::all()) {
        if !keep.contains(one) {
            match remove_capability_from_bounding_set(one) {
                // This kernel has no such capability.
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(error) => return Err(Refusal::new(WHAT, error)),
            }
        }
    }
    set_capabilities_secure_bits(
        CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
            | CapabilitiesSecureBits::KEEP_CAPS_LOCKED,
    )
    .during(WHAT)?;
    let sets = CapabilitySets {
        effective: keep,
        permitted: keep,
        inheritable: keep,
    };
    set_capabilities(None, sets).during(WHAT)?;
    for one in each(keep) {
        configure_capability_in_ambient_set(one, true).during("keeping capabilities")?;
    }
    Ok(())
}

/// No program it runs gives it rights that it has not.
pub(super) fn no_new() -> Result<(), Refusal> {
    set_no_new_privs(true).during("giving new privileges up")
}

/// The set of these names, without `CAP_`.
fn parse(names: &BTreeSet<String>) -> Result<CapabilitySet, Refusal> {
    names.iter().try_fold(CapabilitySet::empty(), |set, name| {
        CapabilitySet::from_name(name)
            .map(|one| set | one)
            .ok_or_else(|| {
                Refusal::workload("capabilities", format!("`{name}` is none, written without CAP_"))
            })
    })
}
