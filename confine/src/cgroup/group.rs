//! The groups of one box, one directory in each hierarchy.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use super::Controller;

/// What is limited; `None` is not.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Memory in bytes, with what directories in memory hold. Swap is never given.
    pub memory: Option<u64>,
    /// Processors.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub processes: Option<u32>,
}

/// What a box has used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Memory in bytes, now.
    pub memory: Option<u64>,
    /// The most memory it ever had.
    pub peak_memory: Option<u64>,
    /// Processor time since it began.
    pub cpu: Option<Duration>,
    /// Processes and threads, now.
    pub processes: Option<u64>,
    /// How often the kernel ended a process of it because memory had run out.
    pub out_of_memory: Option<u64>,
}

/// The groups of one box. Dropping it ends what runs in them and removes them.
#[derive(Debug)]
pub struct Group {
    directories: BTreeMap<Controller, PathBuf>,
    /// Each once, for joining and removing.
    distinct: BTreeSet<PathBuf>,
    unified: bool,
}

impl Group {
    pub(super) fn create(
        places: &BTreeMap<Controller, PathBuf>,
        unified: bool,
        name: &str,
        limits: &Limits,
    ) -> io::Result<Self> {
        let mut group = Self {
            directories: BTreeMap::new(),
            distinct: BTreeSet::new(),
            unified,
        };
        for (controller, place) in places {
            let directory = place.join(name);
            if !group.distinct.contains(&directory) {
                fs::create_dir(&directory)?;
                group.distinct.insert(directory.clone());
            }
            group.directories.insert(*controller, directory);
        }
        group.limit(limits)?;
        Ok(group)
    }

    /// Groups that somebody else made, to be dropped.
    pub(super) fn left_behind(directories: Vec<PathBuf>) -> Self {
        Self {
            directories: BTreeMap::new(),
            distinct: directories.into_iter().collect(),
            unified: false,
        }
    }

    fn limit(&self, limits: &Limits) -> io::Result<()> {
        if let Some(bytes) = limits.memory {
            if self.unified {
                self.write(Controller::Memory, "memory.max", bytes)?;
                self.write_if_there(Controller::Memory, "memory.swap.max", 0)?;
            } else {
                self.write(Controller::Memory, "memory.limit_in_bytes", bytes)?;
                self.write_if_there(Controller::Memory, "memory.swappiness", 0)?;
                self.write_if_there(Controller::Memory, "memory.memsw.limit_in_bytes", bytes)?;
            }
        }
        if let Some(processes) = limits.processes {
            self.write(Controller::Pids, "pids.max", processes)?;
        }
        if let Some(cpus) = limits.cpus {
            const PERIOD: u32 = 100_000; // microseconds
            // The kernel takes no less than a millisecond.
            let quota = (f64::from(PERIOD) * cpus).clamp(1000.0, 1e12) as u64;
            if self.unified {
                self.write(Controller::Cpu, "cpu.max", format!("{quota} {PERIOD}"))?;
            } else {
                self.write(Controller::Cpu, "cpu.cfs_period_us", PERIOD)?;
                self.write(Controller::Cpu, "cpu.cfs_quota_us", quota)?;
            }
        }
        Ok(())
    }

    fn write(&self, controller: Controller, file: &str, value: impl ToString) -> io::Result<()> {
        let Some(directory) = self.directories.get(&controller) else {
            return Ok(());
        };
        fs::write(directory.join(file), value.to_string())
            .map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))
    }

    /// Kernels without swap, or without its accounting, have no such file.
    fn write_if_there(&self, controller: Controller, file: &str, value: impl ToString) -> io::Result<()> {
        match self.write(controller, file, value) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// The directories to join.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        self.distinct.iter().map(PathBuf::as_path)
    }

    /// What it has used up, as far as this machine counts it.
    pub fn usage(&self) -> Usage {
        if self.unified {
            return Usage {
                memory: self.number(Controller::Memory, "memory.current"),
                peak_memory: self.number(Controller::Memory, "memory.peak"),
                cpu: self
                    .entry(Controller::Cpu, "cpu.stat", "usage_usec")
                    .map(Duration::from_micros),
                processes: self.number(Controller::Pids, "pids.current"),
                out_of_memory: self.entry(Controller::Memory, "memory.events", "oom_kill"),
            };
        }
        Usage {
            memory: self.number(Controller::Memory, "memory.usage_in_bytes"),
            peak_memory: self.number(Controller::Memory, "memory.max_usage_in_bytes"),
            cpu: self
                .number(Controller::CpuAccounting, "cpuacct.usage")
                .map(Duration::from_nanos),
            processes: self.number(Controller::Pids, "pids.current"),
            out_of_memory: self.entry(Controller::Memory, "memory.oom_control", "oom_kill"),
        }
    }

    fn read(&self, controller: Controller, file: &str) -> Option<String> {
        fs::read_to_string(self.directories.get(&controller)?.join(file)).ok()
    }

    fn number(&self, controller: Controller, file: &str) -> Option<u64> {
        self.read(controller, file)?.trim().parse().ok()
    }

    /// A line `name value` of a file.
    fn entry(&self, controller: Controller, file: &str, name: &str) -> Option<u64> {
        self.read(controller, file)?
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
    }

    /// Ends whatever runs in it. Once is not enough while something forks faster than it is counted, so this is
    /// repeated until nothing is left.
    pub fn kill(&self) {
        for directory in &self.distinct {
            // Everything at once, where the kernel can.
            if fs::write(directory.join("cgroup.kill"), "1").is_ok() {
                continue;
            }
            let listed = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
            for pid in listed.lines().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }

    /// Ends what runs in it and removes it. Whether nothing is left.
    fn remove(&self) -> bool {
        /// How long killed processes may take to be gone.
        const PATIENCE: Duration = Duration::from_millis(500);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut left = false;
            for directory in &self.distinct {
                match fs::remove_dir(directory) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(_) => left = true,
                }
            }
            if !left || Instant::now() > deadline {
                return !left;
            }
            self.kill();
            pause(Duration::from_millis(1));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A pause of this thread; nobody awaits anything here.
fn pause(length: Duration) {
    if let Ok(length) = Timespec::try_from(length) {
        let _ = poll(&mut [], Some(&length));
    }
}
