//! `/proc`: the box's own processes, and of the machine as little as container engines show.

use std::fs;
use std::path::Path;

use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive};

use super::mounts::{MEMORY, Tmpfs, make_read_only};
use super::{inside, outside};
use crate::Refusal;
use crate::refusal::While;

/// Shown empty: they tell of the machine, or do something to it.
const MASKED: [&str; 22] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/config.gz",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/modules",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/slabinfo",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
];

/// Shown, and never written.
const READ_ONLY: [&str; 6] = [
    "/proc/bus",
    "/proc/driver",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Mounts it. Needs the machine's own `/proc` to be in sight still, or the kernel takes it for an attempt to see more.
pub(super) fn build() -> Result<(), Refusal> {
    const WHAT: &str = "the box's own /proc";
    let at = inside("/proc");
    fs::create_dir_all(&at).during(WHAT)?;
    // Nobody sees processes of others, not even that they are there.
    mount(c"proc", &at, c"proc", MEMORY, c"hidepid=2")
        .during(WHAT)
        .map_err(|refusal| {
            refusal.mend(
                "a container around the host hides parts of its /proc; give it all of it (systempaths=unconfined), or run as root there",
            )
        })?;
    for path in MASKED {
        mask(path)?;
    }
    for path in READ_ONLY {
        let target = inside(path);
        if target.exists() {
            mount_bind_recursive(&target, &target).during(WHAT)?;
            make_read_only(&target, MEMORY)?;
        }
    }
    Ok(())
}

fn mask(path: &str) -> Result<(), Refusal> {
    let target = inside(path);
    match fs::symlink_metadata(&target) {
        Err(_) => Ok(()),
        Ok(kind) if kind.is_dir() => {
            Tmpfs::new("size=4k,nr_inodes=2,mode=555").mount_at(&target, MEMORY | MountFlags::RDONLY)
        }
        Ok(_) => mount_bind(outside(Path::new("/dev/null")), &target).during(format!("hiding {path}")),
    }
}
