//! Which workloads are taken at all: what is refused here no engine could make good.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use plugin_api::contract::workload::{
    CONTROL_VARIABLE, Isolation, LEAST_CPUS, Network, Workload, may_be_readable,
};

use super::directory::INSIDE;
use super::seccomp;
use crate::config::Config;
use crate::error::DockerError;

/// What a workload may keep of root's rights: those that reach nothing outside its box.
const CAPABILITIES: [&str; 11] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

pub(super) fn refused<T>(reason: impl Into<String>) -> Result<T, DockerError> {
    Err(DockerError::Refused(reason.into()))
}

/// Whether a workload could be started anywhere; said before any engine is troubled.
pub(crate) fn check(workload: &Workload) -> Result<(), DockerError> {
    if workload.isolation != Isolation::Container {
        return refused("containers cannot be weaker than `container`; processes are another hub's");
    }
    if workload.command.first().is_none_or(String::is_empty) {
        return refused("it has no command");
    }
    if seccomp::profile(workload.syscalls).is_none() {
        return refused("no container runs without a filter on system calls");
    }
    match &workload.network {
        Network::None => {}
        Network::Host => return refused("no container gets the network of the host"),
        Network::Named(name) => {
            if name == "host" || !is_name(name) {
                return refused(format!("`{name}` is no network for a box"));
            }
        }
    }
    for capability in &workload.capabilities {
        if !CAPABILITIES.contains(&capability.as_str()) {
            return refused(format!(
                "no box gets the capability {capability}; it may have {}",
                CAPABILITIES.join(", ")
            ));
        }
    }
    if let Some(cpus) = workload.limits.cpus
        && !(cpus.is_finite() && cpus >= LEAST_CPUS)
    {
        return refused(format!(
            "it is to have {cpus} processors; {LEAST_CPUS} is the least that a container can be held to"
        ));
    }
    if let Some(user) = &workload.user
        && ids(user).is_none()
    {
        return refused(format!(
            "its user is `{user}`, where numbers like 65534:65534 are needed"
        ));
    }
    if let Some(name) = workload
        .environment
        .keys()
        .find(|name| name.is_empty() || name.contains(['=', '\0']))
    {
        return refused(format!("`{name}` is no name of a variable"));
    }
    if workload.environment.contains_key(CONTROL_VARIABLE) {
        return refused(format!("{CONTROL_VARIABLE} is the hub's to set"));
    }
    let directory = workload.working_directory.as_deref().unwrap_or("/");
    let targets = workload
        .scratch
        .iter()
        .map(|scratch| scratch.path.as_str())
        .chain(workload.readable.values().map(String::as_str));
    let mut seen = BTreeSet::from([INSIDE]);
    if !is_plain(directory) {
        return refused(format!(
            "its working directory `{directory}` is not an absolute path"
        ));
    }
    for target in targets {
        if !is_plain(target) || target == "/" || target.contains([':', ',']) {
            return refused(format!("`{target}` is no place for a directory in a box"));
        }
        if !seen.insert(target) {
            return refused(format!("two things are to be at {target}"));
        }
    }
    for scratch in &workload.scratch {
        if scratch.bytes == 0 || scratch.files == 0 || scratch.mode > 0o7777 {
            return refused(format!(
                "the directory {} has no size, no files, or a mode that is none",
                scratch.path
            ));
        }
    }
    for source in workload.readable.keys() {
        readable(Path::new(source))?;
    }
    Ok(())
}

/// The real path of one of this machine that may be read in a box.
pub(crate) fn readable(source: &Path) -> Result<PathBuf, DockerError> {
    may_be_readable(source).map_err(|error| DockerError::Refused(error.message))
}

/// Whether the caller of a verb may name this path of the host's machine: never, unless the operator wants it.
pub(crate) fn host_path(config: &Config, path: &str) -> Result<PathBuf, DockerError> {
    if !config.host_paths {
        return refused(format!(
            "`{path}` is of the host's machine, and this hub's verbs take no such paths unless `host_paths = true` is set"
        ));
    }
    readable(Path::new(path))
}

pub(crate) fn is_plain(path: &str) -> bool {
    let plain = |component| matches!(component, Component::RootDir | Component::Normal(_));
    path.starts_with('/') && !path.contains('\0') && Path::new(path).components().all(plain)
}

/// Whether it can be a name of a network, container or volume, and nothing else.
pub(crate) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// User and group of `"0:0"` or `"0"`, whose group is the same.
pub(crate) fn ids(user: &str) -> Option<(u32, u32)> {
    let (user, group) = user.split_once(':').unwrap_or((user, user));
    Some((user.parse().ok()?, group.parse().ok()?))
}
