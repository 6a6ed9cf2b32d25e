//! Who else may read or write a file.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::config::diagnostics::Mistake;

/// Refuses a file of settings that others may write: whoever writes it decides which code is loaded.
pub(in crate::config) fn not_writable_by_others(path: &Path, metadata: &Metadata) -> Result<(), Mistake> {
    if metadata.permissions().mode() & 0o002 == 0 {
        return Ok(());
    }
    let shown = path.display();
    Err(
        Mistake::new(format!("`{shown}` may be written by anybody on this machine"))
            .help(format!("chmod o-w {shown}")),
    )
}

/// Refuses a secret that others may read.
pub(super) fn not_readable_by_others(path: &Path, metadata: &Metadata) -> Result<(), Mistake> {
    let mode = metadata.permissions().mode();
    if mode & 0o007 == 0 {
        return Ok(());
    }
    let shown = path.display();
    Err(Mistake::new(format!(
        "`{shown}` holds a secret, and others may read it (mode {:o})",
        mode & 0o777
    ))
    .help(format!("chmod 600 {shown}")))
}
