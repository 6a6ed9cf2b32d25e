//! Resource limits of each process of the box.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::refusal::While;
use crate::{Belt, Confinement, Refusal};

/// When memory runs out on the whole machine, boxes go before anything else does.
pub(super) fn set_oom_score() {
    // Best effort: a machine without it is one whose memory is managed otherwise.
    let _ = fs::write("/proc/self/oom_score_adj", "500");
}

/// Sets what the description says, soft and hard.
///
/// `beside` is how many threads outside the box the kernel counts with it: the outer part's, where both are one user.
pub(super) fn set(confinement: &Confinement, beside: u64) -> Result<(), Refusal> {
    let limits = &confinement.workload.limits;
    let belts = &confinement.belts;
    let wanted = [
        // A core file would hold what the program held, and lie about on the machine.
        (Resource::Core, Some(0)),
        (Resource::Nofile, limits.open_files),
        (Resource::Fsize, limits.file_bytes),
        (Resource::Msgqueue, Some(0)),
        (Resource::Memlock, Some(64 << 10)),
        (
            Resource::Data,
            limits.memory_bytes.filter(|_| belts.contains(&Belt::Memory)),
        ),
        (
            Resource::Nproc,
            limits
                .processes
                .map(|processes| u64::from(processes) + beside)
                .filter(|_| belts.contains(&Belt::Processes)),
        ),
    ];
    for (resource, value) in wanted {
        if let Some(value) = value {
            // What the host itself may not pass, the box may not either.
            let value = getrlimit(resource).maximum.map_or(value, |most| most.min(value));
            let limit = Rlimit {
                current: Some(value),
                maximum: Some(value),
            };
            setrlimit(resource, limit).during(format!("limiting {resource:?}"))?;
        }
    }
    match limits.cpus {
        Some(cpus) if belts.contains(&Belt::Processors) => use_only(cpus),
        _ => Ok(()),
    }
}

/// Lets this process and its children use only so many processors, whole ones.
fn use_only(cpus: f64) -> Result<(), Refusal> {
    let available = sched_getaffinity(None).during("reading which processors there are")?;
    // Rounded up: less than one is none.
    let wanted = cpus.ceil().max(1.0) as usize;
    let all: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|cpu| available.is_set(*cpu))
        .collect();
    // Not always the first ones: boxes should not crowd together.
    let start = std::process::id() as usize + rustix::process::getpid().as_raw_nonzero().get() as usize;
    let mut chosen = CpuSet::new();
    for at in 0..wanted.min(all.len()) {
        if let Some(cpu) = all.get((start + at) % all.len()) {
            chosen.set(*cpu);
        }
    }
    sched_setaffinity(None, &chosen).during("choosing processors")
}
