//! What this machine can enforce.

pub mod memory;

use std::fs;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

/// What this machine can enforce, as far as one can tell without trying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The kernel's release.
    pub kernel: String,
    /// Whether the host is root: boxes get many identities of their own then, otherwise one.
    pub root: bool,
    /// What stands in the way of user namespaces, if anything is known to.
    pub user_namespaces: Option<String>,
    /// The version of Landlock, the second belt around files; 0 where there is none.
    pub landlock: u32,
    /// Whether the kernel filters system calls.
    pub seccomp: bool,
    /// Which limits a control group can enforce for a box.
    pub groups: crate::cgroup::Report,
}

impl Machine {
    /// Looks at this machine. Changes nothing.
    pub fn look() -> Self {
        Self {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            root: rustix::process::geteuid().is_root(),
            user_namespaces: obstacle(),
            landlock: landlock_version(),
            seccomp: fs::read_to_string("/proc/self/status")
                .is_ok_and(|status| status.contains("\nSeccomp:")),
            groups: crate::cgroup::Parent::find(None)
                .map(|parent| parent.report())
                .unwrap_or_default(),
        }
    }
}

/// Prints what [`Machine::look`] finds, as JSON.
pub(crate) fn print() -> ExitCode {
    match serde_json::to_string(&Machine::look()) {
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

/// What stands in the way of user namespaces.
fn obstacle() -> Option<String> {
    let is_set = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    SWITCHES
        .iter()
        .find(|(path, value, _)| is_set(path, value))
        .map(|(path, value, _)| format!("{path} is {value}"))
}

/// How to get user namespaces.
pub(crate) fn mend_user_namespaces() -> String {
    let is_set = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    match SWITCHES.iter().find(|(path, value, _)| is_set(path, value)) {
        Some((_, _, mend)) => (*mend).to_owned(),
        None => "this machine, or the container around the host, forbids user namespaces: allow them, or run code in containers".to_owned(),
    }
}

/// Asked for by way of what the crate can tell of a rule set that is never enforced.
fn landlock_version() -> u32 {
    // The kernel lists it among its security modules, where one can see them; otherwise the symbol is enough to say
    // that there is something.
    u32::from(
        fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|modules| modules.contains("landlock")),
    )
}
