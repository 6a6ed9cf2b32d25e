//! From a candidate to a file that is in order, as far as that can be told without running it.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugin_api::manifest::{Build, Manifest};

use super::refusal::{Reason, Refusal};
use super::state::{self, State};
use super::{elf, manifest, trust};

/// A plugin file that is in order, and what it says of itself.
#[derive(Debug, Clone)]
pub struct Verified {
    path: PathBuf,
    examined: Examined,
}

impl Verified {
    /// The file, as it was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.examined.manifest
    }

    /// The same as it stands in the file.
    pub(super) fn text(&self) -> &str {
        &self.examined.text
    }
}

/// What can be told of a library without running it.
#[derive(Debug, Clone)]
pub(super) struct Examined {
    /// The manifest's text, to compare with what its code will say.
    pub(super) text: String,
    /// The manifest.
    pub(super) manifest: Arc<Manifest>,
    /// The facts of its build, which every accepted manifest has.
    pub(super) build: Build,
}

/// Looks at a candidate without running any of it. Blocks on the disk, for a few pages of the file.
///
/// # Errors
/// Others may change it, it is damaged, it is no plugin, or this host cannot run it.
pub fn verify(path: &Path) -> Result<Verified, Refusal> {
    let examined =
        open(path).and_then(|(file, _)| examine(&file).map_err(|reason| Refusal::new(path, reason)));
    match examined {
        Ok(examined) => {
            let manifest = &examined.manifest;
            state::reached(State::Verified, path, &manifest.id, &manifest.version, "");
            Ok(Verified {
                path: path.to_owned(),
                examined,
            })
        }
        Err(refusal) => Err(state::rejected(refusal)),
    }
}

/// Opens a file that only its owner may change, with the facts that tell whether it stayed the same.
pub(super) fn open(path: &Path) -> Result<(File, Metadata), Refusal> {
    let refuse = |reason| Refusal::new(path, reason);
    let (file, metadata) = open_any(path).map_err(refuse)?;
    // A link leads to another directory than the one that was scanned.
    let real = path
        .canonicalize()
        .map_err(|error| refuse(Reason::unreadable(&error)))?;
    if let Some(directory) = real.parent() {
        trust::directory(directory)?;
    }
    trust::file(&metadata).map_err(refuse)?;
    Ok((file, metadata))
}

/// Opens a file, whoever may change it.
pub(super) fn open_any(path: &Path) -> Result<(File, Metadata), Reason> {
    let file = OpenOptions::new()
        .read(true)
        // A named pipe under the name of a plugin must not hold us up.
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(|error| Reason::unreadable(&error))?;
    let metadata = file.metadata().map_err(|error| Reason::unreadable(&error))?;
    if !metadata.is_file() {
        return Err(Reason::NotAFile);
    }
    Ok((file, metadata))
}

/// Everything that can be told of an open library without running it.
pub(super) fn examine(file: &File) -> Result<Examined, Reason> {
    let text = elf::manifest_text(file)?;
    let (manifest, build) = manifest::parse(&text)?;
    if !elf::defines(file, &build.entry)? {
        return Err(Reason::NoEntry { symbol: build.entry });
    }
    Ok(Examined {
        text,
        manifest: Arc::new(manifest),
        build,
    })
}
