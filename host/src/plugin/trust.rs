//! Who may change a file: only its owner, who must be us or root.
//!
//! A library that somebody else can replace is somebody else's code in our process, so it is refused before its
//! contents matter.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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
/// Somebody else owns one of them, or may write to it.
pub(super) fn directory(path: &Path) -> Result<(), Refusal> {
    let refuse = |at: &Path, reason| Refusal::new(at, reason);
    let real = path
        .canonicalize()
        .map_err(|error| refuse(path, Reason::unreadable(&error)))?;
    for (height, at) in real.ancestors().enumerate() {
        let metadata = at
            .metadata()
            .map_err(|error| refuse(at, Reason::unreadable(&error)))?;
        owned(metadata.uid(), user()).map_err(|reason| refuse(at, reason))?;
        // Above the directory itself a group may write: home directories of private groups are made so, and
        // a shared one of everybody is safe where it is sticky.
        let forbidden = match height {
            0 => WRITABLE_BY_OTHERS,
            _ if metadata.mode() & STICKY != 0 => 0,
            _ => WRITABLE_BY_ALL,
        };
        unwritable(metadata.mode(), forbidden).map_err(|reason| refuse(at, reason))?;
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
