//! Whether the paths a workload names can be what it says.

use std::path::{Component, Path, PathBuf};

use plugin_api::contract::workload::{Workload, may_be_readable};

use crate::Refusal;

/// Places of the box that are made by us.
const OURS: [&str; 4] = ["/proc", "/dev", "/sys", "/run/gleitzeit"];

/// What the workload may read: where it is, links resolved, and where it goes.
pub(super) fn readable(workload: &Workload) -> Result<Vec<(PathBuf, PathBuf)>, Refusal> {
    let refused = |path: &str, why: &str| Refusal::workload(format!("readable path `{path}`"), why);
    let pairs = workload.readable.iter().map(|(source, target)| {
        let real = may_be_readable(Path::new(source))
            .map_err(|error| refused(source, &error.message).mend(error.hint.unwrap_or_default()))?;
        let target = place(target).map_err(|why| refused(source, why))?;
        Ok((real, target))
    });
    pairs.collect()
}

/// Whether the directories that it may write can be made where they should be.
pub(super) fn check_scratch(workload: &Workload) -> Result<(), Refusal> {
    for scratch in &workload.scratch {
        place(&scratch.path)
            .map_err(|why| Refusal::workload(format!("scratch directory `{}`", scratch.path), why))?;
    }
    Ok(())
}

/// A path of the box, if something may be put there.
fn place(path: &str) -> Result<PathBuf, &'static str> {
    let path = Path::new(path);
    let mut parts = path.components();
    if parts.next() != Some(Component::RootDir) {
        return Err("its place in the box is not absolute");
    }
    if !parts.all(|part| matches!(part, Component::Normal(_))) {
        return Err("its place in the box contains `..`");
    }
    if path == Path::new("/") {
        return Err("its place would be the whole box");
    }
    if OURS
        .iter()
        .any(|ours| path.starts_with(ours) || Path::new(ours).starts_with(path))
    {
        return Err("its place is one that every box has already");
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn only_plain_places_that_are_free_will_do() {
        assert!(place("/work").is_ok());
        assert!(place("/opt/python/lib").is_ok());
        for wrong in [
            "work",
            "/",
            "/a/../b",
            "/proc",
            "/proc/self",
            "/run",
            "/run/gleitzeit/x",
            "/dev/shm",
            "",
        ] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
