//! Limits and the clock of this machine.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Finding;
use crate::config::Settings;

pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let mut findings: Vec<_> = descriptors(&limits, settings.host.limits.connections)
        .into_iter()
        .collect();
    findings.push(clock(SystemTime::now()));
    findings
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

    #[test]
    fn a_clock_at_the_beginning_of_time_is_told() {
        assert_eq!(clock(UNIX_EPOCH).verdict, Verdict::Bad);
        assert_eq!(clock(SystemTime::now()).verdict, Verdict::Good);
    }
}
