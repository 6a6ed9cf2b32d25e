//! `/dev`: what reads as nothing, zeros or chance, and links to what is open.

use std::fs;
use std::os::unix::fs::symlink;

use super::{inside, mounts};
use crate::Refusal;
use crate::refusal::While;

const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// Makes `/dev`. Shared memory in it is mounted with everything else that may be written.
pub(super) fn build() -> Result<(), Refusal> {
    fs::create_dir_all(inside("/dev/shm")).during("making /dev")?;
    for device in DEVICES {
        mounts::bind_device(device)?;
    }
    for (to, link) in LINKS {
        symlink(to, inside(link)).during("making /dev")?;
    }
    Ok(())
}
