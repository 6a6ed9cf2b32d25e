//! Takes verified plugins into this process, each content once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::catalogue::Entry;
use super::crashes::Crashes;
use super::hash::ContentHash;
use super::library::Library;
use super::open::open;
use super::refusal::{Reason, Refusal};
use super::spare;
use super::stage::{Generations, Staged};
use super::state::{self, State};
use crate::config::settings::HostSettings;

/// Takes verified plugins into this process. One for each host.
#[derive(Debug)]
pub struct Loader {
    generations: Generations,
    crashes: Crashes,
    limits: Limits,
    /// Every content that was opened. Nothing leaves it: libraries are never unloaded. Held while a library is
    /// opened, since the system's loader takes them one at a time anyway; a stuck one holds it until its limit.
    open: Mutex<HashMap<ContentHash, Arc<Library>>>,
}

/// What a plugin gets of this host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How long opening it, or building one of its components, may take.
    pub(super) construct: Duration,
    /// Threads of each component's own runtime.
    pub(super) workers: usize,
    /// How long cancelled work gets to end by itself.
    pub(super) grace: Duration,
}

impl Loader {
    /// A loader with this host's state directory and limits. Removes copies of earlier hosts that are not used
    /// any more; blocks on the disk for as long as it takes to list a directory.
    pub fn new(host: &HostSettings) -> Self {
        let generations = Generations::new(&host.state_dir);
        generations.sweep();
        Self {
            generations,
            crashes: Crashes::new(&host.state_dir),
            limits: Limits {
                construct: host.construct_timeout,
                workers: host.plugin_threads,
                grace: host.cancel_grace,
            },
            open: Mutex::default(),
        }
    }

    /// Stages a plugin and opens it, unless its very content is open already. The catalogue's entry shows how
    /// far it came.
    ///
    /// Dropping the future leaves an opening under way to end by itself, and nothing is lost by asking again.
    ///
    /// # Errors
    /// It changed since it was verified, cannot be copied or opened, does not fit, or did not come back in time.
    pub async fn load(&self, entry: &Entry) -> Result<Arc<Library>, Refusal> {
        let result = self.stage_and_open(entry).await;
        if let Err(refusal) = &result {
            entry.rejected(refusal);
        }
        result
    }

    async fn stage_and_open(&self, entry: &Entry) -> Result<Arc<Library>, Refusal> {
        let staged = self.stage(entry).await?;
        entry.reached(State::Staged, staged.hash());
        let mut open = self.open.lock().await;
        let library = match open.get(&staged.hash()) {
            Some(library) => library.clone(),
            None => {
                let library = Arc::new(self.open(staged.clone()).await.map_err(state::rejected)?);
                open.insert(staged.hash(), library.clone());
                library
            }
        };
        entry.reached(State::Loaded, staged.hash());
        Ok(library)
    }

    async fn stage(&self, entry: &Entry) -> Result<Staged, Refusal> {
        let generations = self.generations.clone();
        let verified = entry.verified().clone();
        let path = verified.path().to_owned();
        let staged = spawn_blocking(move || generations.stage(&verified)).await;
        staged.unwrap_or_else(|error| {
            let reason = Reason::Staging {
                to: self.generations.directory().to_owned(),
                error: error.to_string(),
            };
            Err(state::rejected(Refusal::new(path, reason)))
        })
    }

    async fn open(&self, staged: Staged) -> Result<Library, Refusal> {
        let manifest = staged.examined().manifest.clone();
        let refuse = |reason| Refusal::new(staged.origin(), reason).of(&manifest.id);
        let guard = self
            .crashes
            .starting(&manifest.id, None, staged.hash())
            .map_err(refuse)?;
        let opening = {
            let staged = staged.clone();
            move || {
                let module = open(&staged);
                drop(guard);
                module
            }
        };
        let module = spare::run(&manifest.id, self.limits.construct, opening)
            .await
            .map_err(|no_answer| refuse(no_answer.reason("opening it", self.limits.construct)))?
            .map_err(|refusal| refusal.of(&manifest.id))?;
        let (id, version) = (&manifest.id, &manifest.version);
        state::reached(
            State::Loaded,
            staged.origin(),
            id,
            version,
            &staged.hash().to_string(),
        );
        Ok(Library::new(&staged, module, self.limits, self.crashes.clone()))
    }
}
