//! What a process group uses of the machine, from `/proc`.

use std::fs;
use std::path::Path;
use std::time::Instant;

use plugin_api::contract::probe::Load;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::Pid;

/// The use of all processes of a group at one moment.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    at: Instant,
    /// Processor time of user and system, in clock ticks.
    ticks: u64,
    memory_bytes: u64,
    /// Absent where the system does not let us see it.
    disk_bytes: Option<u64>,
}

impl Sample {
    /// As load; the processor's share needs an earlier sample.
    pub(super) fn since(&self, before: Option<&Sample>) -> Load {
        let cpu_percent = before.and_then(|before| {
            let seconds = self.at.duration_since(before.at).as_secs_f64();
            // A runner that ended took its ticks along, so the sum may shrink.
            let ticks = self.ticks.saturating_sub(before.ticks) as f64;
            (seconds > 0.0).then(|| ticks / clock_ticks_per_second() as f64 / seconds * 100.0)
        });
        Load {
            cpu_percent,
            memory_bytes: Some(self.memory_bytes),
            disk_io_bytes: self.disk_bytes,
            ..Load::default()
        }
    }
}

/// Adds up all processes of the group; `None` if there are none. Reads a few small files for each process of the
/// machine, so it belongs on a thread that may block.
pub(super) fn sample(group: Pid) -> Option<Sample> {
    let group = i64::from(group.as_raw_nonzero().get());
    let at = Instant::now();
    let of_group = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let usage = Usage::parse(&stat)?;
        (usage.group == group).then(|| (usage, disk(&entry.path())))
    });
    of_group
        .map(|(usage, disk_bytes)| Sample {
            at,
            ticks: usage.ticks,
            memory_bytes: usage.resident_pages * page_size() as u64,
            disk_bytes,
        })
        .reduce(|sum, one| Sample {
            at,
            ticks: sum.ticks + one.ticks,
            memory_bytes: sum.memory_bytes + one.memory_bytes,
            disk_bytes: sum.disk_bytes.zip(one.disk_bytes).map(|(sum, one)| sum + one),
        })
}

/// What `/proc/PID/stat` says.
#[derive(Debug, PartialEq, Eq)]
struct Usage {
    group: i64,
    ticks: u64,
    resident_pages: u64,
}

impl Usage {
    /// The second field is the program's name in brackets and may hold anything, brackets included, so fields are
    /// counted from the last one.
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
        // The manual counts from 1, and two fields are gone.
        let field = |number: usize| fields.get(number - 3);
        Some(Self {
            group: field(5)?.parse().ok()?,
            ticks: field(14)?.parse::<u64>().ok()? + field(15)?.parse::<u64>().ok()?,
            resident_pages: field(24)?.parse().ok()?,
        })
    }
}

fn disk(process: &Path) -> Option<u64> {
    let io = fs::read_to_string(process.join("io")).ok()?;
    let bytes = |name: &str| {
        io.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    Some(bytes("read_bytes:")? + bytes("write_bytes:")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_be_called_anything() {
        let stat = "42 (a) b (c)) S 1 40 40 0 -1 4194560 9 0 0 0 7 5 0 0 20 0 1 0 100 4096 12 0";
        let usage = Usage {
            group: 40,
            ticks: 12,
            resident_pages: 12,
        };
        assert_eq!(Usage::parse(stat), Some(usage));
        assert_eq!(Usage::parse("42 (cut"), None);
    }

    #[test]
    fn our_own_group_uses_memory_and_in_time_the_processor() {
        let group = rustix::process::getpgrp();
        let first = sample(group).unwrap();
        let load = sample(group).unwrap().since(Some(&first));
        assert!(load.memory_bytes.unwrap() > 0);
        assert!(load.cpu_percent.unwrap() >= 0.0);
        assert_eq!(first.since(None).cpu_percent, None);
    }
}
