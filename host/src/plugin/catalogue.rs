//! All plugin files there are: what each one is, how far it has come, and why one was not taken.
//!
//! What `gleitzeit plugin`, `check`, `doctor` and the status show comes from here, so that they cannot disagree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use plugin_api::manifest::Manifest;
use serde::Serialize;

use super::hash::ContentHash;
use super::refusal::{Reason, Refusal};
use super::scan;
use super::state::{self, State};
use super::verify::{Verified, verify};

/// All plugin files there are. Reading it never waits for a plugin.
#[derive(Debug, Default)]
pub struct Catalogue {
    entries: BTreeMap<String, Entry>,
    refused: Vec<Refusal>,
}

/// A plugin with a verified file.
#[derive(Debug)]
pub struct Entry {
    verified: Verified,
    /// What has become of it. Held for a moment, never while plugin code runs.
    progress: Mutex<Progress>,
}

#[derive(Debug, Clone)]
struct Progress {
    state: State,
    hash: Option<ContentHash>,
    refusal: Option<Refusal>,
}

/// A line of `gleitzeit plugin list` and of the status.
#[derive(Debug, Clone, Serialize)]
pub struct Listing {
    /// The file, or the directory that was not looked into.
    pub path: PathBuf,
    /// The plugin's id, where its manifest could be read.
    pub id: Option<String>,
    /// Its own version.
    pub version: Option<String>,
    /// One sentence.
    pub description: Option<String>,
    /// The plugin API it was built for.
    pub api: Option<String>,
    /// The kind of resource its hub provides.
    pub provides: Option<String>,
    /// The protocol its provider speaks.
    pub protocol: Option<String>,
    /// How far it has come.
    pub state: State,
    /// The content that was loaded.
    pub hash: Option<ContentHash>,
    /// Why it was not taken, in one line.
    pub reason: Option<String>,
}

impl Catalogue {
    /// Looks at every candidate in these directories, in this order, and runs nothing. Blocks on the disk.
    ///
    /// The same file reached twice (one directory named twice, or linked) is looked at once. Of two files with
    /// one id the first stands; the order is that of the directories, then of the names.
    pub fn scan(directories: &[PathBuf]) -> Self {
        let mut catalogue = Self::default();
        let mut seen = Vec::new();
        for directory in directories {
            match scan::candidates(directory) {
                Ok(candidates) => {
                    for path in candidates {
                        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
                        if !seen.contains(&real) {
                            seen.push(real);
                            catalogue.add(&path);
                        }
                    }
                }
                Err(refusal) => catalogue.refused.push(state::rejected(refusal)),
            }
        }
        catalogue
    }

    fn add(&mut self, path: &Path) {
        state::reached(State::Discovered, path, "", "", "");
        let verified = match verify(path) {
            Ok(verified) => verified,
            Err(refusal) => return self.refused.push(refusal),
        };
        let id = verified.manifest().id.clone();
        if let Some(first) = self.entries.get(&id) {
            let other = first.verified.path().to_owned();
            let reason = Reason::Duplicate {
                id: id.clone(),
                other,
            };
            let refusal = Refusal::new(path, reason).of(&id);
            return self.refused.push(state::rejected(refusal));
        }
        self.entries.insert(id, Entry::new(verified));
    }

    /// The plugin of this id.
    pub fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// Every plugin with a verified file, by id.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(id, entry)| (id.as_str(), entry))
    }

    /// What every verified plugin says of itself, by id: what settings are checked against.
    pub fn manifests(&self) -> BTreeMap<String, Manifest> {
        self.entries()
            .map(|(id, entry)| (id.to_owned(), Manifest::clone(entry.manifest())))
            .collect()
    }

    /// Why each file (or directory) that was not taken was not: those refused by their looks first, then those
    /// that failed when they were to be run.
    pub fn refusals(&self) -> Vec<Refusal> {
        let failed = self.entries.values().filter_map(Entry::refusal);
        self.refused.iter().cloned().chain(failed).collect()
    }

    /// Why there is no plugin of this id, where a file that says it is one was refused.
    pub fn refusal_of(&self, id: &str) -> Option<Refusal> {
        self.refusals()
            .into_iter()
            .find(|refusal| refusal.plugin.as_deref() == Some(id))
    }

    /// A line for each plugin and for each refused file.
    pub fn listing(&self) -> Vec<Listing> {
        let plugins = self.entries.values().map(Entry::listing);
        let refused = self.refused.iter().map(Listing::of_refused);
        plugins.chain(refused).collect()
    }
}

impl Entry {
    fn new(verified: Verified) -> Self {
        Self {
            verified,
            progress: Mutex::new(Progress {
                state: State::Verified,
                hash: None,
                refusal: None,
            }),
        }
    }

    /// The verified file.
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Arc<Manifest> {
        self.verified.manifest()
    }

    /// How far it has come.
    pub fn state(&self) -> State {
        self.progress.lock().state
    }

    /// Why it was not taken.
    pub fn refusal(&self) -> Option<Refusal> {
        self.progress.lock().refusal.clone()
    }

    pub(super) fn reached(&self, state: State, hash: ContentHash) {
        *self.progress.lock() = Progress {
            state,
            hash: Some(hash),
            refusal: None,
        };
    }

    pub(super) fn rejected(&self, refusal: &Refusal) {
        let mut progress = self.progress.lock();
        progress.state = State::Rejected;
        progress.refusal = Some(refusal.clone());
    }

    fn listing(&self) -> Listing {
        let manifest = self.manifest();
        let progress = self.progress.lock().clone();
        Listing {
            path: self.verified.path().to_owned(),
            id: Some(manifest.id.clone()),
            version: Some(manifest.version.clone()),
            description: Some(manifest.description.clone()),
            api: manifest.build.as_ref().map(|build| build.api.clone()),
            provides: manifest.hub.as_ref().map(|hub| hub.provides.clone()),
            protocol: manifest
                .provider
                .as_ref()
                .map(|provider| provider.protocol.clone()),
            state: progress.state,
            hash: progress.hash,
            reason: progress.refusal.map(|refusal| refusal.to_string()),
        }
    }
}

impl Listing {
    fn of_refused(refusal: &Refusal) -> Self {
        Self {
            path: refusal.path.clone(),
            id: refusal.plugin.clone(),
            version: None,
            description: None,
            api: None,
            provides: None,
            protocol: None,
            state: State::Rejected,
            hash: None,
            reason: Some(refusal.to_string()),
        }
    }
}
