//! From a workload to what an engine is asked for. Every field is honoured here, or the workload is refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, DeviceRequest, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum,
    HostConfigLogConfig, ImageConfig, Mount, MountBindOptions, MountType, ResourcesUlimits,
};
use plugin_api::contract::workload::{CONTROL_STDIO, CONTROL_VARIABLE, LEAST_CPUS, Network, Workload};

use super::admit::{readable, refused};
use super::directory::INSIDE;
use super::seccomp;
use crate::config::Limits;
use crate::engine::Report;
use crate::engine::report::Cgroups;
use crate::error::DockerError;

/// How many files `/dev/shm` holds, as in the boxes of processes.
const SHARED_FILES: u64 = 1024;

/// The least memory an engine accepts.
pub(crate) const LEAST_MEMORY: u64 = 6 << 20;

/// How the box is spoken to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Channel<'a> {
    /// Over a socket in this directory of this machine.
    Directory(&'a Path),
    /// Over standard input and output.
    Stdio,
}

/// Everything a plan is made of besides the workload.
#[derive(Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) report: &'a Report,
    pub(crate) on_this_machine: bool,
    /// Whether this machine has no swap that could be used up.
    pub(crate) swapless: bool,
    pub(crate) limits: &'a Limits,
    /// The image's id, which is what was looked at.
    pub(crate) image_id: &'a str,
    pub(crate) image: &'a ImageConfig,
    pub(crate) channel: Channel<'a>,
    pub(crate) labels: HashMap<String, String>,
}

/// What the engine is asked to create.
///
/// # Errors
/// [`DockerError::Refused`]: this engine, or this image, cannot give what the workload asks for.
pub(crate) fn body(workload: &Workload, here: Circumstances<'_>) -> Result<ContainerCreateBody, DockerError> {
    if let Some(reason) = here.report.unfit() {
        return refused(format!("the engine {reason}"));
    }
    let (program, arguments) = workload
        .command
        .split_first()
        .map_or((None, &[][..]), |(first, rest)| (Some(first.clone()), rest));
    let mut labels: HashMap<String, String> = workload.labels.clone().into_iter().collect();
    labels.extend(here.labels.clone());
    let host = host(workload, &here)?;
    Ok(ContainerCreateBody {
        hostname: Some("box".to_owned()),
        user: Some(workload.user.clone().unwrap_or_else(|| "65534:65534".to_owned())),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        // With it the engine closes standard input once we are gone, however that comes about.
        stdin_once: Some(true),
        tty: Some(false),
        env: Some(environment(workload, &here)),
        entrypoint: program.map(|program| vec![program]),
        cmd: Some(arguments.to_vec()),
        image: Some(here.image_id.to_owned()),
        working_dir: Some(
            workload
                .working_directory
                .clone()
                .unwrap_or_else(|| "/".to_owned()),
        ),
        // The image's own check would start a process in the box every so often, and knows nothing of this workload.
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        stop_timeout: Some(0),
        labels: Some(labels),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    })
}

/// The workload's variables, and those of image and engine taken out. A search path stays, or programs are not found.
fn environment(workload: &Workload, here: &Circumstances<'_>) -> Vec<String> {
    let control = match here.channel {
        Channel::Directory(_) => format!("{INSIDE}/control.sock"),
        Channel::Stdio => CONTROL_STDIO.to_owned(),
    };
    let ours: BTreeMap<&str, &str> = workload
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain([(CONTROL_VARIABLE, control.as_str())])
        .collect();
    let images = here
        .image
        .env
        .iter()
        .flatten()
        .map(|variable| variable.split('=').next().unwrap_or_default());
    let taken: BTreeSet<&str> = images
        .chain(["HOSTNAME"])
        .filter(|name| *name != "PATH" && !ours.contains_key(name))
        .collect();
    // A name without a value takes the variable out.
    let taken = taken.into_iter().map(str::to_owned);
    ours.iter()
        .map(|(name, value)| format!("{name}={value}"))
        .chain(taken)
        .collect()
}

fn host(workload: &Workload, here: &Circumstances<'_>) -> Result<HostConfig, DockerError> {
    let limits = workload.limits;
    let memory = limits.memory_bytes.unwrap_or(here.limits.memory.0);
    let cpus = limits.cpus.unwrap_or(here.limits.cpus);
    let processes = limits.processes.unwrap_or(here.limits.processes);
    if memory < LEAST_MEMORY || memory > i64::MAX as u64 {
        return refused(format!("{memory} bytes are no memory for a container"));
    }
    if !(LEAST_CPUS..=here.report.cpus.max(1) as f64).contains(&cpus) {
        return refused(format!(
            "it is to have {cpus} processors, and the engine's machine has {}",
            here.report.cpus
        ));
    }
    if processes == 0 {
        return refused("a container needs at least one process");
    }
    if !here.report.swap_limit && !here.swapless {
        return refused(
            "the engine does not count swap, so that memory would not be limited; boot with swapaccount=1, or turn swap off",
        );
    }
    let shared_memory = limits
        .shared_memory_bytes
        .unwrap_or(here.limits.shared_memory.0)
        .max(1 << 12);
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let ulimit = |name: &str, limit: u64| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(whole(limit)),
        hard: Some(whole(limit)),
    };
    let filter = seccomp::profile(workload.syscalls).unwrap_or_default();
    Ok(HostConfig {
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(workload.capabilities.iter().cloned().collect()),
        security_opt: Some(vec![
            "no-new-privileges:true".to_owned(),
            format!("seccomp={filter}"),
        ]),
        privileged: Some(false),
        readonly_rootfs: Some(true),
        tmpfs: Some(scratch(workload, shared_memory)),
        mounts: Some(mounts(workload, here)?),
        memory: Some(whole(memory)),
        memory_swap: here.report.swap_limit.then_some(whole(memory)),
        memory_swappiness: (here.report.cgroups != Cgroups::V2 && here.report.swap_limit).then_some(0),
        nano_cpus: Some((cpus * 1e9).round() as i64),
        pids_limit: Some(i64::from(processes)),
        ulimits: Some(vec![
            ulimit("core", 0),
            ulimit("fsize", limits.file_bytes.unwrap_or(here.limits.file.0)),
            ulimit("nofile", limits.open_files.unwrap_or(here.limits.open_files)),
        ]),
        shm_size: Some(whole(shared_memory)),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        network_mode: Some(match &workload.network {
            Network::Named(name) => name.clone(),
            Network::None | Network::Host => "none".to_owned(),
        }),
        log_config: Some(HostConfigLogConfig {
            typ: Some("none".to_owned()),
            config: None,
        }),
        oom_score_adj: Some(500),
        auto_remove: Some(true),
        runtime: runtime(workload, here.report)?,
        device_requests: gpus(workload, here.report)?,
        ..HostConfig::default()
    })
}

/// What may be written. The engine's own `/dev/shm` holds any number of files, each of which takes memory that is no
/// process's: one with a number takes its place.
fn scratch(workload: &Workload, shared_memory: u64) -> HashMap<String, String> {
    let options = |bytes: u64, files: u64, mode: u32| {
        format!("rw,nosuid,nodev,noexec,size={bytes},nr_inodes={files},mode={mode:o}")
    };
    let shared = (
        "/dev/shm".to_owned(),
        options(shared_memory, SHARED_FILES, 0o1777),
    );
    let asked = workload.scratch.iter().map(|scratch| {
        (
            scratch.path.clone(),
            options(scratch.bytes, scratch.files, scratch.mode),
        )
    });
    [shared].into_iter().chain(asked).collect()
}

fn mounts(workload: &Workload, here: &Circumstances<'_>) -> Result<Vec<Mount>, DockerError> {
    if !workload.readable.is_empty() && !here.on_this_machine {
        return refused("paths of this machine cannot be read on an engine that is elsewhere");
    }
    let covered = |volume: &str| workload.scratch.iter().any(|scratch| scratch.path == volume);
    if let Some(volume) = here
        .image
        .volumes
        .iter()
        .flatten()
        .find(|volume| !covered(volume))
    {
        return refused(format!(
            "its image has a volume at {volume}, which would be written to the engine's disk; have a scratch directory there"
        ));
    }
    let bind = |source: &Path, target: &str, read_only| Mount {
        typ: Some(MountType::BIND),
        source: Some(source.display().to_string()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        // What is mounted below it would stay writable on engines before 25.0.
        bind_options: read_only.then(|| MountBindOptions {
            non_recursive: Some(true),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    };
    let mut mounts = Vec::new();
    if let Channel::Directory(directory) = here.channel {
        mounts.push(bind(directory, INSIDE, false));
    }
    for (source, target) in &workload.readable {
        mounts.push(bind(&readable(Path::new(source))?, target, true));
    }
    Ok(mounts)
}

fn runtime(workload: &Workload, report: &Report) -> Result<Option<String>, DockerError> {
    match &workload.runtime {
        Some(runtime) if !report.runtimes.contains(runtime) => {
            let known: Vec<&str> = report.runtimes.iter().map(String::as_str).collect();
            refused(format!(
                "the engine has no runtime `{runtime}`; it has {}",
                known.join(", ")
            ))
        }
        runtime => Ok(runtime.clone()),
    }
}

fn gpus(workload: &Workload, report: &Report) -> Result<Option<Vec<DeviceRequest>>, DockerError> {
    if workload.gpus.is_empty() {
        return Ok(None);
    }
    if !report.gpus {
        return refused("the engine hands out no graphics processors");
    }
    let all = workload.gpus.iter().any(|gpu| gpu == "all");
    Ok(Some(vec![DeviceRequest {
        driver: None,
        count: Some(if all { -1 } else { 0 }),
        device_ids: (!all).then(|| workload.gpus.clone()),
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        options: None,
    }]))
}
