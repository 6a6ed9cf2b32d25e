//! What `gleitzeit plugin inspect` shows: a plugin file as the host sees it before it runs any of it.

use std::io::{self, Seek};
use std::path::{Path, PathBuf};

use plugin_api::manifest::Manifest;
use serde::Serialize;

use super::hash::{ContentHash, CopyError, copy_hashed};
use super::refusal::{Reason, Refusal};
use super::verify;

/// A plugin file as the host sees it before it runs any of it.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// What it holds, in one word.
    pub hash: ContentHash,
    /// Why the host would not load it from where it is, though the file itself is in order: others may change it.
    pub concern: Option<String>,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The same, as it stands in the file.
    #[serde(skip)]
    pub text: String,
}

/// Reads a plugin file and runs nothing of it. Blocks on the disk, for the whole file.
///
/// # Errors
/// As [`verify`](super::verify()), except that it does not matter who may change the file: nothing of it runs.
pub fn inspect(path: &Path) -> Result<Inspection, Refusal> {
    let refuse = |reason| Refusal::new(path, reason);
    let (mut file, metadata) = verify::open_any(path).map_err(refuse)?;
    let examined = verify::examine(&file).map_err(refuse)?;
    file.rewind()
        .map_err(|error| refuse(Reason::unreadable(&error)))?;
    let (hash, _) = copy_hashed(&mut file, &mut io::sink()).map_err(|error| match error {
        CopyError::Reading(error) | CopyError::Writing(error) => refuse(Reason::unreadable(&error)),
    })?;
    Ok(Inspection {
        path: path.to_owned(),
        size: metadata.len(),
        hash,
        concern: verify::open(path).err().map(|refusal| refusal.to_string()),
        manifest: Manifest::clone(&examined.manifest),
        text: examined.text,
    })
}
