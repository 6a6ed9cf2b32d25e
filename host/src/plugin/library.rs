//! A plugin whose code is in this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugin_api::abi::raw::PluginMod_Ref;
use plugin_api::manifest::Manifest;

use super::hash::ContentHash;
use super::stage::Staged;

/// A plugin whose code is in this process, from which components are made. There is no way to unload it.
pub struct Library {
    origin: PathBuf,
    hash: ContentHash,
    manifest: Arc<Manifest>,
    module: PluginMod_Ref,
}

impl Library {
    pub(super) fn new(staged: &Staged, module: PluginMod_Ref) -> Self {
        Self {
            origin: staged.origin().to_owned(),
            hash: staged.hash(),
            manifest: staged.examined().manifest.clone(),
            module,
        }
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The file it came from.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// What its components are made with.
    pub fn module(&self) -> PluginMod_Ref {
        self.module
    }

    /// The content that is running, which the file may no longer have.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Library")
            .field("id", &self.manifest.id)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}
