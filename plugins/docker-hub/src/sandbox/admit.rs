//! Which workloads are taken at all: what is refused here no engine could make good.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use plugin_api::contract::workload::{CONTROL_VARIABLE, Isolation, Network, Workload};

use super::directory::INSIDE;
use super::seccomp;
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

/// Places of this machine that no box may look into: with them come the engine's socket, devices or secrets of others.
const NOT_READABLE: [&str; 8] = [
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/var/run",
    "/boot",
    "/root",
    "/var/lib/docker",
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

/// Whether a path of this machine may be read in a box.
pub(crate) fn readable(source: &Path) -> Result<(), DockerError> {
    let no = |why: &str| refused(format!("`{}` cannot be read in a box: {why}", source.display()));
    let Ok(real) = std::fs::canonicalize(source) else {
        return no("it is not there");
    };
    if !source.is_absolute() || real == Path::new("/") {
        return no("it is not a path below the root");
    }
    if !(real.is_dir() || real.is_file()) {
        return no("it is neither a file nor a directory");
    }
    let hidden = NOT_READABLE.map(|place| std::fs::canonicalize(place).unwrap_or_else(|_| place.into()));
    if hidden
        .iter()
        .any(|place| real.starts_with(place) || place.starts_with(&real))
    {
        return no("it holds, or is part of, what belongs to the machine");
    }
    Ok(())
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
