//! Memory of a container that waits for work.

use std::fs;

use anyhow::Context;
use containers::Engine;
use serde_json::json;

use super::host::Sandboxes;
use crate::report::{Found, megabytes};

/// Of every container of the host: its control group, and the engine's own process that watches it.
pub(super) fn idle(engine: Engine, ours: &Sandboxes) -> anyhow::Result<Found> {
    let label = format!(
        "label=gleitzeit.process={}",
        ours.server.pid().context("the host has ended")?
    );
    let mut found = Found::new(
        "sandbox_memory",
        "Memory of an idle container, MB",
        &["", "control group", "its watcher, by share"],
    );
    let mut samples = Vec::new();
    for id in engine.containers(&[&label])? {
        let image = engine.inspect(&id, "{{.Config.Image}}")?;
        let pid: u32 = engine.inspect(&id, "{{.State.Pid}}")?.parse()?;
        let (group, watcher) = (
            control_group(pid).unwrap_or_default(),
            watcher(pid).unwrap_or_default(),
        );
        found
            .rows
            .push(vec![image.clone(), megabytes(group), megabytes(watcher)]);
        samples.push(json!({ "image": image, "control_group": group, "watcher_pss": watcher }));
    }
    found.rows.sort();
    found.samples = samples.into();
    Ok(found)
}

/// What the kernel charges the container with, in either version of control groups.
fn control_group(pid: u32) -> Option<u64> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let read = |path: String| fs::read_to_string(path).ok()?.trim().parse().ok();
    groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        match controllers {
            "memory" => read(format!("/sys/fs/cgroup/memory{path}/memory.usage_in_bytes")),
            "" => read(format!("/sys/fs/cgroup{path}/memory.current")),
            _ => None,
        }
    })
}

/// The parent of a container's first process, which the engine keeps for each.
fn watcher(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?;
    let memory = fs::read_to_string(format!("/proc/{parent}/smaps_rollup")).ok()?;
    let line = memory.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
