//! Descriptors that came by inheritance: there must be none but the standard three.

use std::os::fd::RawFd;

/// Closes every other descriptor. Called before this process opens any of its own: whoever started it may have
/// been careless, and what is open here could be open in the box.
pub(crate) fn close() {
    let Ok(listed) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<RawFd> = listed
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    for fd in open {
        // The listing's own descriptor is closed already.
        let _ = nix::unistd::close(fd);
    }
}
