//! Which paths of a machine a box may look into.

use std::path::{Path, PathBuf};

use crate::Error;

/// Places that belong to the machine: with them come its devices, its kernel, sockets of its services, secrets of others.
const OF_THE_MACHINE: [&str; 8] = [
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/var/run",
    "/boot",
    "/root",
    "/var/lib/docker",
];

/// Whether code in a box may read this path of this machine, and below it: its real path, links resolved. The one rule
/// for all hubs that honour [`Workload::readable`](super::Workload::readable).
///
/// # Errors
/// `VALIDATION`, the caller's fault: it is not absolute, is not there, is neither file nor directory, or is, holds, or is
/// part of what belongs to the machine.
pub fn may_be_readable(source: &Path) -> Result<PathBuf, Error> {
    let no = |why: &str| {
        let message = format!("`{}` cannot be read in a box: {why}", source.display());
        Err(
            Error::new(crate::ErrorCode::VALIDATION, crate::Fault::Client, message).hint(
                "name a file or directory of this machine that holds nothing but what the code may read",
            ),
        )
    };
    if !source.is_absolute() {
        return no("it is not an absolute path");
    }
    let Ok(real) = std::fs::canonicalize(source) else {
        return no("it is not there");
    };
    let hidden = OF_THE_MACHINE.map(|place| std::fs::canonicalize(place).unwrap_or_else(|_| place.into()));
    let of_the_machine = |place: &PathBuf| real.starts_with(place) || place.starts_with(&real);
    if hidden.iter().any(of_the_machine) {
        return no("it is, holds, or is part of what belongs to the machine");
    }
    if !(real.is_dir() || real.is_file()) {
        return no("it is neither a file nor a directory");
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::may_be_readable;

    #[test]
    fn what_belongs_to_the_machine_and_what_holds_it_is_refused() {
        for wrong in [
            "/",
            "/proc/self",
            "/dev/null",
            "/var",
            "/root",
            "/run",
            "/nowhere",
            "usr",
        ] {
            let error = may_be_readable(Path::new(wrong)).unwrap_err();
            assert_eq!(error.code.name(), Some("VALIDATION"), "{wrong}");
        }
        assert!(may_be_readable(Path::new("/usr")).is_ok());
    }
}
