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
