//! From a file that anybody's tools may touch to a copy that only we can.
//!
//! A library that is overwritten or cut while it is mapped kills the process, and one that is replaced under the
//! same name is not seen by the system's loader, which goes by names. So what is opened is always a private copy
//! whose name is its content.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::io::{self, Seek};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::hash::{ContentHash, CopyError, copy_hashed};
use super::refusal::{Reason, Refusal};
use super::state::{self, State};
use super::trust;
use super::verify::{self, Examined, Verified};

/// We alone may look into the directory of copies.
const PRIVATE_DIRECTORY: u32 = 0o700;
/// A copy is never written again.
const PRIVATE_COPY: u32 = 0o500;

/// What a copy's name begins with until it is whole.
const PART: &str = ".part-";
/// After so long without being staged again, a copy is one that no host will open.
const UNUSED: Duration = Duration::from_hours(24);

/// A plugin in a private copy: the bytes that were examined are the bytes that were hashed are the bytes that
/// will be opened.
#[derive(Debug, Clone)]
pub struct Staged {
    origin: PathBuf,
    copy: PathBuf,
    hash: ContentHash,
    examined: Examined,
}

impl Staged {
    /// The file it was copied from.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// The private copy.
    pub fn copy(&self) -> &Path {
        &self.copy
    }

    /// What the copy holds.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// What was found in it.
    pub(super) fn examined(&self) -> &Examined {
        &self.examined
    }
}

/// The directory of private copies, one for each content that was ever loaded: `<state>/generations`.
#[derive(Debug, Clone)]
pub struct Generations {
    directory: PathBuf,
}

impl Generations {
    /// Copies go below this state directory; it is made when the first one is.
    pub fn new(state: &Path) -> Self {
        Self {
            directory: state.join("generations"),
        }
    }

    /// Where the copies are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Removes the copies that nobody has staged for a day, and what was left half-written. Blocks on the disk.
    ///
    /// Every start stages anew what it loads, so an older copy is one that no host will open. Where one still
    /// runs it, its code stays mapped without a name. What cannot be removed is left; it only takes room.
    pub fn sweep(&self) {
        let Ok(entries) = self.directory.read_dir() else {
            return;
        };
        for entry in entries.flatten() {
            let unused = |metadata: Metadata| {
                let age = metadata.modified().ok().and_then(|staged| staged.elapsed().ok());
                metadata.is_file() && age.is_some_and(|age| age > UNUSED)
            };
            if is_ours(&entry.file_name()) && entry.metadata().is_ok_and(unused) {
                tracing::debug!(target: "gleitzeit::plugin", path = %entry.path().display(), "copy removed");
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Copies a verified file to where nobody else can change it, and examines the copy again. Blocks on the
    /// disk, for the whole file.
    ///
    /// The copy is written anew each time, so that a damaged one mends itself. It takes the place of an older
    /// one of the same content by renaming, which leaves a mapped one as it is.
    ///
    /// # Errors
    /// The file changed since it was verified or while it was copied, or there is no room for the copy.
    pub fn stage(&self, verified: &Verified) -> Result<Staged, Refusal> {
        let id = &verified.manifest().id;
        match self.copy(verified) {
            Ok(staged) => {
                let version = &verified.manifest().version;
                let hash = staged.hash.to_string();
                state::reached(State::Staged, verified.path(), id, version, &hash);
                Ok(staged)
            }
            Err(refusal) => Err(state::rejected(refusal.of(id))),
        }
    }

    fn copy(&self, verified: &Verified) -> Result<Staged, Refusal> {
        let (original, before) = verify::open(verified.path())?;
        self.copy_open(verified, original, &before)
            .map_err(|reason| Refusal::new(verified.path(), reason))
    }

    fn copy_open(
        &self,
        verified: &Verified,
        mut original: File,
        before: &Metadata,
    ) -> Result<Staged, Reason> {
        let directory = self.prepare_directory()?;
        let staging = |error: io::Error| Reason::Staging {
            to: directory.clone(),
            error: error.to_string(),
        };
        // Removed again by being dropped, whatever goes wrong from here on.
        let mut part = tempfile::Builder::new()
            .prefix(PART)
            .tempfile_in(&directory)
            .map_err(staging)?;
        let (hash, length) = copy_hashed(&mut original, part.as_file_mut()).map_err(|error| match error {
            CopyError::Reading(error) => Reason::unreadable(&error),
            CopyError::Writing(error) => staging(error),
        })?;
        let after = original.metadata().map_err(|error| Reason::unreadable(&error))?;
        if length != before.len() || !same(before, &after) {
            return Err(Reason::Changed);
        }
        let examined = examine_copy(part.as_file_mut())?;
        if examined.text != verified.text() {
            return Err(Reason::Changed);
        }
        part.as_file()
            .set_permissions(Permissions::from_mode(PRIVATE_COPY))
            .map_err(staging)?;
        let copy = directory.join(format!("{hash}.so"));
        part.persist(&copy).map_err(|error| staging(error.error))?;
        Ok(Staged {
            origin: verified.path().to_owned(),
            copy,
            hash,
            examined,
        })
    }

    /// The directory by its full name (the system's loader searches for a bare one), private to us.
    fn prepare_directory(&self) -> Result<PathBuf, Reason> {
        let staging = |error: String| Reason::Staging {
            to: self.directory.clone(),
            error,
        };
        let io = |error: io::Error| staging(error.to_string());
        DirBuilder::new()
            .recursive(true)
            .mode(PRIVATE_DIRECTORY)
            .create(&self.directory)
            .map_err(io)?;
        let directory = self.directory.canonicalize().map_err(io)?;
        fs::set_permissions(&directory, Permissions::from_mode(PRIVATE_DIRECTORY)).map_err(io)?;
        trust::directory(&directory)
            .map_err(|refusal| staging(format!("{}: {}", refusal.path.display(), refusal.reason)))?;
        Ok(directory)
    }
}

/// Whether a file in the directory was put there by [`Generations::stage`].
fn is_ours(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let whole = name
        .strip_suffix(".so")
        .is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    whole || name.starts_with(PART)
}

fn examine_copy(copy: &mut File) -> Result<Examined, Reason> {
    copy.rewind().map_err(|error| Reason::unreadable(&error))?;
    verify::examine(copy)
}

/// Whether nobody wrote to the file between the two looks.
fn same(before: &Metadata, after: &Metadata) -> bool {
    let facts = |metadata: &Metadata| {
        (
            metadata.len(),
            (metadata.mtime(), metadata.mtime_nsec()),
            (metadata.ctime(), metadata.ctime_nsec()),
        )
    };
    facts(before) == facts(after)
}
