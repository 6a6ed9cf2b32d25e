//! Who may change a file: only its owner, who must be us or root.
//!
//! A library that somebody else can replace is somebody else's code in our process, so it is refused before its
//! contents matter.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Once;

use super::refusal::{Reason, Refusal};

#[cfg(test)]
mod tests;

/// Group and others may not write.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// Everybody may write.
const WRITABLE_BY_ALL: u32 = 0o002;
/// In such a directory one may only replace one's own files.
const STICKY: u32 = 0o1000;
/// The bits that `chmod` sets.
const PERMISSIONS: u32 = 0o7777;

/// A plugin file, opened already: what is checked is what will be read.
///
/// # Errors
/// Somebody else owns it, or others may write to it.
pub(super) fn file(metadata: &Metadata) -> Result<(), Reason> {
    owned(metadata.uid(), user())?;
    unwritable(metadata.mode(), WRITABLE_BY_OTHERS)
}

/// The directory of a plugin file, and everything above it up to the root: whoever may rename a directory
/// chooses what is found under its name.
///
/// Links are followed first, so it is the directory that really holds the file. Blocks on the disk.
///
/// # Errors
/// Somebody else owns the directory, or may write to it or to one above.
pub(super) fn directory(path: &Path) -> Result<(), Refusal> {
    let refuse = |at: &Path, reason| Refusal::new(at, reason);
    let real = path
        .canonicalize()
        .map_err(|error| refuse(path, Reason::unreadable(&error)))?;
    for (height, at) in real.ancestors().enumerate() {
        let metadata = at
            .metadata()
            .map_err(|error| refuse(at, Reason::unreadable(&error)))?;
        let (owner, mode) = (metadata.uid(), metadata.mode());
        let checked = if height == 0 {
            owned(owner, user()).and_then(|()| unwritable(mode, WRITABLE_BY_OTHERS))
        } else {
            above(at, owner, mode)
        };
        checked.map_err(|reason| refuse(at, reason))?;
    }
    Ok(())
}

/// A directory above the one that holds plugins.
///
/// A group may write to it, for home directories of private groups are made so; and everybody may where it is
/// sticky. Somebody else may own it, as where a checkout of one user is run by root: who keeps plugins there has
/// chosen to trust that user, and is told.
fn above(at: &Path, owner: u32, mode: u32) -> Result<(), Reason> {
    if mode & STICKY == 0 {
        unwritable(mode, WRITABLE_BY_ALL)?;
    }
    if owned(owner, user()).is_err() {
        // Once: every file below it would say the same.
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            tracing::warn!(
                target: "gleitzeit::plugin",
                directory = %at.display(),
                owner,
                "user {owner} could replace the plugins below a directory of theirs"
            );
        });
    }
    Ok(())
}

fn owned(owner: u32, us: u32) -> Result<(), Reason> {
    if owner == us || owner == 0 {
        return Ok(());
    }
    Err(Reason::Owner { owner, us })
}

fn unwritable(mode: u32, forbidden: u32) -> Result<(), Reason> {
    if mode & forbidden == 0 {
        return Ok(());
    }
    Err(Reason::Writable {
        mode: mode & PERMISSIONS,
    })
}

/// The user this process acts as.
fn user() -> u32 {
    // SAFETY: geteuid takes nothing, touches no memory and cannot fail.
    #[allow(unsafe_code)]
    unsafe {
        libc::geteuid()
    }
}
