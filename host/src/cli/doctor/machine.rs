//! Limits and the clock of this machine.

use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use confine::machine::Machine;

use super::Finding;
use crate::config::Settings;

pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let mut findings: Vec<_> = descriptors(&limits, settings.host.limits.connections)
        .into_iter()
        .collect();
    findings.push(clock(SystemTime::now()));
    findings.extend(boxes(settings));
    findings
}

/// Whether processes can be locked down, tried by the one who would do it. Only where something may want that: a hub
/// that is no client of servers elsewhere.
fn boxes(settings: &Settings) -> Vec<Finding> {
    let may_want = settings.hubs.iter().any(|hub| hub.instances.is_empty());
    // In this library's own tests the program is no launcher, but runs tests whose names hold its arguments.
    if !may_want || cfg!(test) {
        return Vec::new();
    }
    let report = std::env::current_exe().and_then(|program| {
        Command::new(program)
            .args([confine::SUBCOMMAND, confine::REPORT])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
    });
    let report = report
        .ok()
        .and_then(|output| serde_json::from_slice(&output.stdout).ok());
    report.as_ref().map(of_machine).unwrap_or_default()
}

/// What the launcher found, for people. A warning at most: a host may have no use for it.
fn of_machine(machine: &Machine) -> Vec<Finding> {
    const BOXES: &str = "boxes";
    const LIMITS: &str = "box limits";
    if let Some(refusal) = &machine.refusal {
        let mend = refusal.mend.clone();
        let mend = mend.unwrap_or_else(|| "run code in containers".to_owned());
        return vec![Finding::warning(
            BOXES,
            format!("processes cannot be locked down here: {refusal}"),
            mend,
        )];
    }
    let identities = if machine.root {
        "each has identities of its own"
    } else {
        "each has one identity"
    };
    let groups = &machine.groups;
    let lacking: Vec<_> = [("memory", &groups.memory), ("processor time", &groups.processors)]
        .into_iter()
        .filter(|(_, place)| place.is_none())
        .map(|(what, _)| what)
        .collect();
    let limits = if lacking.is_empty() {
        Finding::good(
            LIMITS,
            "memory, processor time and processes are limited by control groups",
        )
    } else {
        let reason = groups.obstacle.as_ref().map(|reason| format!(" ({reason})"));
        Finding::warning(
            LIMITS,
            format!(
                "no control group limits {}{}",
                lacking.join(" and "),
                reason.unwrap_or_default()
            ),
            "Delegate=yes in the host's service, or a user session that delegates; or `best_effort` in the config of the hub that starts processes",
        )
    };
    vec![
        Finding::good(BOXES, format!("processes can be locked down; {identities}")),
        limits,
    ]
}

/// Each client takes a file descriptor, and its request another one; some go to plugins and files.
fn descriptors(limits: &str, connections: usize) -> Option<Finding> {
    const WHAT: &str = "descriptors";
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_whitespace().next()?;
    let wanted = 2 * connections as u64 + 256;
    let number = if soft == "unlimited" {
        u64::MAX
    } else {
        soft.parse().ok()?
    };
    Some(if number >= wanted {
        Finding::good(WHAT, format!("{soft} files may be open"))
    } else {
        Finding::warning(
            WHAT,
            format!("{soft} files may be open, and {connections} connections can take {wanted}"),
            format!(
                "ulimit -n {wanted}, or LimitNOFILE={wanted} in the service, or lower host.limits.connections"
            ),
        )
    })
}

/// Certificates, deadlines and logs need the date.
fn clock(now: SystemTime) -> Finding {
    /// 2025-01-01: before it, this program did not exist.
    const EARLIEST: u64 = 1_735_689_600;
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let shown = humantime::format_rfc3339_seconds(now);
    if seconds < EARLIEST {
        Finding::bad(
            "clock",
            format!("it says {shown}"),
            "set it: timedatectl set-ntp true",
        )
    } else {
        Finding::good("clock", shown.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    const LIMITS: &str = "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";

    #[test]
    fn too_few_descriptors_are_told_with_the_number_that_is_enough() {
        let finding = descriptors(LIMITS, 4096).unwrap();
        assert_eq!(finding.verdict, Verdict::Warning);
        assert!(finding.mend.unwrap().starts_with("ulimit -n 8448"));
        assert_eq!(descriptors(LIMITS, 100).unwrap().verdict, Verdict::Good);
        assert_eq!(
            descriptors(&LIMITS.replace("1024", "unlimited"), 4096)
                .unwrap()
                .verdict,
            Verdict::Good
        );
        assert_eq!(descriptors("nothing of the kind", 1), None);
    }

    fn machine() -> Machine {
        serde_json::from_value(serde_json::json!({
            "kernel": "6.1", "root": false, "refusal": null, "landlock": 1, "seccomp": true,
            "groups": { "memory": "/m", "processes": "/p", "processors": "/c", "unified": true, "obstacle": null },
        }))
        .unwrap()
    }

    #[test]
    fn a_machine_that_can_lock_processes_down_is_good() {
        let findings = of_machine(&machine());
        assert!(
            findings.iter().all(|finding| finding.verdict == Verdict::Good),
            "{findings:?}"
        );
    }

    #[test]
    fn what_it_cannot_do_is_told_with_how_to_mend_it() {
        let mut without = machine();
        without.refusal =
            Some(confine::Refusal::new("entering a user namespace", "EPERM").mend("sysctl -w x=1"));
        let findings = of_machine(&without);
        assert_eq!(findings[0].verdict, Verdict::Warning);
        assert_eq!(findings[0].mend.as_deref(), Some("sysctl -w x=1"));
        let mut without = machine();
        without.groups.memory = None;
        without.groups.obstacle = Some("permission denied".to_owned());
        let finding = of_machine(&without).pop().unwrap();
        assert_eq!(finding.verdict, Verdict::Warning);
        assert!(
            finding.found.contains("memory (permission denied)"),
            "{}",
            finding.found
        );
    }

    #[test]
    fn a_clock_at_the_beginning_of_time_is_told() {
        assert_eq!(clock(UNIX_EPOCH).verdict, Verdict::Bad);
        assert_eq!(clock(SystemTime::now()).verdict, Verdict::Good);
    }
}
