//! From plugin directories to candidate files.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::refusal::{Reason, Refusal};
use super::trust;

/// The files in a directory that could be plugins, sorted by name so that every start sees the same order.
///
/// Only `*.so`, no dotfiles, no subdirectories: editors and copying programs leave their half-finished work
/// under other names, and it is passed over in silence. Links are followed. Blocks on the disk.
///
/// # Errors
/// The directory cannot be read, or others may write to it: then nothing in it is looked at. A directory that
/// does not exist holds no plugins and is no error: `plugins.toml` may name one for later.
pub(super) fn candidates(directory: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let unreadable = |error: std::io::Error| Refusal::new(directory, Reason::unreadable(&error));
    let entries = match directory.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    trust::directory(directory)?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        if has_plugin_name(&entry.file_name()) && !entry.path().is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn has_plugin_name(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.ends_with(b".so") && !name.starts_with(b".")
}
