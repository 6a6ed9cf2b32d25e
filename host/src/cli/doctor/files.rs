//! Plugin files, and the directory for private copies of them.

use std::path::Path;

use super::Finding;
use crate::cli::configured::Configured;

/// Directories that are there, and files in them that can be taken, as far as that shows without running them.
pub(super) fn plugins(configured: &Configured) -> Vec<Finding> {
    let mut findings = Vec::new();
    for directory in configured.draft.plugin_dirs() {
        if !directory.is_dir() {
            let shown = directory.display();
            findings.push(Finding::bad(
                "plugins",
                format!("{shown} is not a directory"),
                format!("mkdir -p {shown}, and put plugins (.so files) there; `cargo up` does both"),
            ));
        }
    }
    for refusal in configured.catalogue.refusals() {
        let mend = "the line says what was expected; `gleitzeit plugin inspect FILE` shows more";
        findings.push(Finding::bad("plugins", refusal.to_string(), mend));
    }
    let taken: Vec<_> = configured
        .catalogue
        .entries()
        .map(|(id, entry)| format!("{id} {}", entry.manifest().version))
        .collect();
    if !taken.is_empty() {
        findings.push(Finding::good("plugins", taken.join(", ")));
    } else if findings.is_empty() {
        findings.push(Finding::bad(
            "plugins",
            "there are none",
            "put .so files into a directory of `host.plugin_dirs`",
        ));
    }
    findings
}

/// Whether private copies can be written. Nothing is created: where the directory is not there yet, what is
/// above it is tried.
pub(super) fn state_directory(state: &Path) -> Option<Finding> {
    const WHAT: &str = "state";
    let there = state.ancestors().find(|path| path.is_dir())?;
    let shown = state.display();
    Some(match tempfile::tempfile_in(there) {
        Ok(_) => Finding::good(WHAT, format!("{shown} can be written")),
        Err(error) => Finding::bad(
            WHAT,
            format!("{shown} cannot be written: {error}"),
            format!("chown it to the user that runs the host, or set host.state_dir (now {shown})"),
        ),
    })
}
