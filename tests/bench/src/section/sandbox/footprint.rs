//! Memory of a container that waits for work.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;
use containers::Engine;
use serde_json::json;

use super::host::Sandboxes;
use crate::report::{Found, spread};
use crate::stats::Spread;

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
    let mut by_profile: BTreeMap<String, Vec<[u64; 2]>> = BTreeMap::new();
    for id in engine.containers(&[&label])? {
        // A pool goes on with its own work: what has ended meanwhile is no longer idle.
        let look = "{{index .Config.Labels \"gleitzeit.profile\"}} {{.State.Pid}}";
        let Ok(said) = engine.inspect(&id, look) else {
            continue;
        };
        let Some((profile, pid)) = said.split_once(' ') else {
            continue;
        };
        let pid: u32 = pid.parse()?;
        if let (Some(group), Some(watcher)) = (control_group(pid), watcher(pid)) {
            let of = by_profile.entry(profile.to_owned()).or_default();
            of.push([group, watcher]);
        }
    }
    let megabytes = |all: &[[u64; 2]], which: usize| {
        let each = all.iter().map(|each| each[which] as f64 / f64::from(1 << 20));
        spread(Spread::of(each), 1)
    };
    for (profile, all) in &by_profile {
        found.rows.push(vec![
            format!("profile `{profile}`, {} of them", all.len()),
            megabytes(all, 0),
            megabytes(all, 1),
        ]);
    }
    found.samples = json!(by_profile);
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
