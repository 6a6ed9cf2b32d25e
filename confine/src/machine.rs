//! What this machine can enforce.

pub mod memory;
mod trial;

use std::fs;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// What this machine can enforce. Told by `PROGRAM confine report`, which tries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The kernel's release.
    pub kernel: String,
    /// Whether the host is root: boxes get many identities of their own then, otherwise one.
    pub root: bool,
    /// Why no box can be built; `None` where one was.
    pub refusal: Option<Refusal>,
    /// The version of Landlock, the second belt around files; 0 where there is none.
    pub landlock: i32,
    /// Whether the kernel filters system calls.
    pub seccomp: bool,
    /// Which limits a control group can enforce for a box.
    pub groups: crate::cgroup::Report,
}

/// Looks, and prints what it finds as JSON. Restricts this process, which is of no use for anything else then.
pub(crate) fn print() -> ExitCode {
    let machine = Machine {
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        root: rustix::process::geteuid().is_root(),
        refusal: trial::run().err(),
        groups: crate::cgroup::Parent::find(None)
            .map(|parent| parent.report())
            .unwrap_or_default(),
        seccomp: fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nSeccomp:")),
        landlock: crate::inner::landlock_version(),
    };
    match serde_json::to_string(&machine) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// Switches that forbid user namespaces, the value that does, and how to set them right.
const SWITCHES: [(&str, &str, &str); 3] = [
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "sysctl -w user.max_user_namespaces=15000",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for the host that allows userns",
    ),
];

/// How to get user namespaces.
pub(crate) fn mend_user_namespaces() -> String {
    let is_set = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    match SWITCHES.iter().find(|(path, value, _)| is_set(path, value)) {
        Some((_, _, mend)) => (*mend).to_owned(),
        None => "this machine, or the container around the host, forbids user namespaces: allow them, or run code in containers".to_owned(),
    }
}
