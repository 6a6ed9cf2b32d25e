//! A memory that survives the process: which plugin was being started when the host died.
//!
//! A null pointer in a constructor ends the host, and a supervisor that restarts it would do so for ever. So a
//! marker is written before the plugin's code first runs and removed when it came back, well or not. A marker
//! that is found at the next start means that it did not come back; after a few in a row the plugin is left out.

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

/// The markers of one state directory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Crashes {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    /// How many starts of each plugin are under way; the last one removes the marker. The lock is held while
    /// the marker is written or removed, and never while plugin code runs.
    starting: Mutex<HashMap<String, u32>>,
}

/// A start under way. Dropping it says that the plugin came back.
#[derive(Debug)]
pub(super) struct StartGuard {
    inner: Arc<Inner>,
    plugin: String,
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

    /// Says that a plugin's code is about to run. The guard moves to the thread that runs it.
    ///
    /// # Errors
    /// This very build was being started when the host died, several times in a row.
    pub(super) fn starting(&self, plugin: &str, hash: ContentHash) -> Result<StartGuard, Reason> {
        let mut starting = self.inner.starting.lock();
        let under_way = starting.entry(plugin.to_owned()).or_insert(0);
        if *under_way == 0 {
            let marker = self.inner.marker(plugin);
            let crashes = earlier_crashes(&marker, hash);
            if crashes >= LIMIT {
                starting.remove(plugin);
                return Err(Reason::Quarantined { crashes, marker });
            }
            if let Err(error) = write(&marker, hash, crashes + 1) {
                // The marker protects the next start; this one does not depend on it.
                tracing::warn!(target: "gleitzeit::plugin", plugin, %error, "no crash marker");
            }
        }
        *starting.entry(plugin.to_owned()).or_insert(0) += 1;
        Ok(StartGuard {
            inner: self.inner.clone(),
            plugin: plugin.to_owned(),
        })
    }
}

impl Inner {
    fn marker(&self, plugin: &str) -> PathBuf {
        self.directory.join(format!("{plugin}.starting"))
    }
}

impl Drop for StartGuard {
    fn drop(&mut self) {
        let mut starting = self.inner.starting.lock();
        let Some(under_way) = starting.get_mut(&self.plugin) else {
            return;
        };
        *under_way -= 1;
        if *under_way == 0 {
            starting.remove(&self.plugin);
            // Gone already is as good.
            let _ = fs::remove_file(self.inner.marker(&self.plugin));
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
