//! A memory that survives the process: which plugin was being started when the host died.
//!
//! A null pointer in a constructor ends the host, and a supervisor that restarts it would do so for ever. So a
//! marker is written before the plugin's code first runs and removed when it came back, well or not. A marker
//! that is found at the next start means that it did not come back; after a few in a row the plugin is left out.
//!
//! Opening a library and building each of its components have markers of their own: those that come back must
//! not make the one that does not be forgotten.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::hash::ContentHash;
use super::refusal::Reason;

#[cfg(test)]
mod tests;

/// Starts in a row that the host may not survive.
const LIMIT: u32 = 3;

/// How much of a component's name goes into the name of its marker.
const MAX_NAME: usize = 40;

/// The markers of one state directory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Crashes {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    /// How many starts are under way for each marker; the last one removes it. The lock is held while a marker
    /// is written or removed, and never while plugin code runs.
    starting: Mutex<HashMap<PathBuf, u32>>,
}

/// A start under way. Dropping it says that the plugin came back.
#[derive(Debug)]
pub(super) struct StartGuard {
    inner: Arc<Inner>,
    marker: PathBuf,
}

impl Crashes {
    /// Markers go into this state directory.
    pub fn new(state: &Path) -> Self {
        Self {
            inner: Arc::new(Inner {
                directory: state.to_owned(),
                starting: Mutex::default(),
            }),
        }
    }

    /// Says that a plugin's code is about to run: to be opened, or to build this component. The guard moves to
    /// the thread that runs it.
    ///
    /// # Errors
    /// This very build was at this very point when the host died, several times in a row.
    pub(super) fn starting(
        &self,
        plugin: &str,
        component: Option<&str>,
        hash: ContentHash,
    ) -> Result<StartGuard, Reason> {
        let marker = self.inner.marker(plugin, component);
        let mut starting = self.inner.starting.lock();
        if !starting.contains_key(&marker) {
            let crashes = earlier_crashes(&marker, hash);
            if crashes >= LIMIT {
                return Err(Reason::Quarantined { crashes, marker });
            }
            if let Err(error) = write(&marker, hash, crashes + 1) {
                // The marker protects the next start; this one does not depend on it.
                tracing::warn!(target: "gleitzeit::plugin", plugin, %error, "no crash marker");
            }
        }
        *starting.entry(marker.clone()).or_insert(0) += 1;
        Ok(StartGuard {
            inner: self.inner.clone(),
            marker,
        })
    }
}

impl Inner {
    fn marker(&self, plugin: &str, component: Option<&str>) -> PathBuf {
        self.directory.join(match component {
            None => format!("{plugin}.starting"),
            Some(component) => format!("{plugin}.{}.starting", file_name(component)),
        })
    }
}

/// A component's name as part of a file name: an operator may have chosen any.
fn file_name(component: &str) -> String {
    let plain = |character: char| match character {
        '-' | '_' => character,
        _ if character.is_ascii_alphanumeric() => character,
        _ => '_',
    };
    component.chars().take(MAX_NAME).map(plain).collect()
}

impl Drop for StartGuard {
    fn drop(&mut self) {
        let mut starting = self.inner.starting.lock();
        let Some(under_way) = starting.get_mut(&self.marker) else {
            return;
        };
        *under_way -= 1;
        if *under_way == 0 {
            starting.remove(&self.marker);
            // Gone already is as good.
            let _ = fs::remove_file(&self.marker);
        }
    }
}

/// How often in a row this build did not come back. Another build begins anew, and so does a marker that cannot
/// be read: the memory is a courtesy.
fn earlier_crashes(marker: &Path, hash: ContentHash) -> u32 {
    let Ok(text) = fs::read_to_string(marker) else {
        return 0;
    };
    let mut words = text.split_whitespace();
    match (words.next(), words.next().map(str::parse)) {
        (Some(of), Some(Ok(count))) if of == hash.to_string() => count,
        _ => 0,
    }
}

fn write(marker: &Path, hash: ContentHash, crashes: u32) -> io::Result<()> {
    fs::write(marker, format!("{hash} {crashes}\n"))
}
