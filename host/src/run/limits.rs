//! Limits that the system sets to this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit on open files as far as the system lets us. The usual 1024 is for programs that call `select`;
/// each client and each instance in use costs a descriptor here.
pub(super) fn raise_open_files() {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        maximum: limits.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, current = limits.current, "the limit on open files stays as it is");
    }
}
