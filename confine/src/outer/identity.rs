//! Who the box is outside: user and group identities.

use std::fs;

use nix::sched::{CloneFlags, unshare};
use rustix::process::{getegid, geteuid};
use rustix::thread::{CapabilitySet, capabilities, configure_capability_in_ambient_set, set_capabilities};

use crate::machine;
use crate::refusal::While;
use crate::{Confinement, IDS_OF_A_BOX, Refusal};

/// Whether boxes get many identities (this process is root) or the one we have.
pub(crate) fn are_several() -> bool {
    geteuid().is_root()
}

/// For root: gives the inner part, which has entered a user namespace, a range of identities that nobody uses.
pub(super) fn map_range(pid: u32, first: u32) -> Result<(), Refusal> {
    if first == 0 {
        return Err(Refusal::new(
            "identities for the box",
            "the description names no free range of them",
        ));
    }
    let map = format!("0 {first} {IDS_OF_A_BOX}\n");
    for file in ["gid_map", "uid_map"] {
        fs::write(format!("/proc/{pid}/{file}"), &map)
            .during("giving the box identities of its own")
            .map_err(|refusal| {
                refusal.mend(format!(
                    "this host needs the identities {first} to {} itself: give its container more of them, or run it as an ordinary user",
                    u64::from(first) + u64::from(IDS_OF_A_BOX)
                ))
            })?;
    }
    Ok(())
}

/// For everybody else: enters a user namespace in which this user is the workload's, with every right there is in
/// it, and hands those on to the inner part.
pub(super) fn enter_alone(confinement: &Confinement) -> Result<(), Refusal> {
    let (user, group) = confinement.user()?;
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER)
        .during("entering a user namespace")
        .map_err(|refusal| refusal.mend(machine::mend_user_namespaces()))?;
    let write = |file: &str, text: String| {
        fs::write(format!("/proc/self/{file}"), text)
            .during("entering a user namespace")
            .map_err(|refusal| refusal.mend(machine::mend_user_namespaces()))
    };
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("{user} {uid} 1\n"))?;
    write("gid_map", format!("{group} {gid} 1\n"))?;
    // Whoever is not 0 loses its rights when it becomes another program, unless they are ambient.
    let mut sets = capabilities(None).during("reading capabilities")?;
    sets.inheritable = sets.permitted;
    set_capabilities(None, sets).during("handing capabilities on")?;
    for one in each(sets.permitted) {
        configure_capability_in_ambient_set(one, true).during("handing capabilities on")?;
    }
    Ok(())
}

/// The capabilities of a set, one by one.
pub(crate) fn each(set: CapabilitySet) -> impl Iterator<Item = CapabilitySet> {
    (0..64)
        .map(|bit| CapabilitySet::from_bits_retain(1 << bit))
        .filter(move |one| set.contains(*one))
}
