//! What the kernel says about a process and its children: memory and time on the processor.

use std::fs;

/// Memory in bytes, and time on the processor in microseconds, of a process with all its children.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Pages in memory, those shared with others counted in full.
    pub(crate) rss: u64,
    /// Pages in memory, those shared with others counted by share.
    pub(crate) pss: u64,
    /// Time on the processor since the start, in user and kernel.
    pub(crate) cpu_micros: u64,
}

impl Usage {
    /// Asks the kernel. A process that is gone uses nothing.
    pub(crate) fn of(pid: u32) -> Self {
        let mut usage = Self {
            rss: field(pid, "status", "VmRSS:"),
            pss: field(pid, "smaps_rollup", "Pss:"),
            cpu_micros: cpu_micros(pid),
        };
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            let of = Self::of(child);
            usage.rss += of.rss;
            usage.pss += of.pss;
            usage.cpu_micros += of.cpu_micros;
        }
        usage
    }
}

/// A field in kilobytes, as bytes.
fn field(pid: u32, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

/// Fields 14 and 15 of `stat`, in ticks of a hundredth of a second, which Linux fixes for user space everywhere.
fn cpu_micros(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the process is in brackets and may contain spaces and brackets itself.
    let Some((_, fields)) = text.rsplit_once(')') else {
        return 0;
    };
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks * 10_000
}
