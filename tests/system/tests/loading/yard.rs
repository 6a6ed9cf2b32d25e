//! A plugin directory and a state directory of one test's own, and a loader over them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gleitzeit::config::settings::HostSettings;
use gleitzeit::plugin::refusal::MAX_CHARS;
use gleitzeit::plugin::{Catalogue, Library, Loader, Refusal};
use tempfile::TempDir;

/// Time enough for anything that comes back at all, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A plugin directory and a state directory of one test's own. Removed when dropped.
pub(crate) struct Yard {
    root: TempDir,
}

impl Yard {
    pub(crate) fn new() -> Self {
        let yard = Self {
            root: TempDir::with_prefix("gleitzeit-").unwrap(),
        };
        fs::create_dir(yard.plugins()).unwrap();
        set_mode(&yard.plugins(), 0o755);
        yard
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn plugins(&self) -> PathBuf {
        self.root.path().join("plugins.d")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// What was ever staged, by file name.
    pub(crate) fn staged(&self) -> Vec<String> {
        let Ok(entries) = self.state().join("generations").read_dir() else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn drop_in(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.plugins().join(name);
        fs::write(&path, bytes).unwrap();
        set_mode(&path, 0o644);
        path
    }

    pub(crate) fn settings(&self) -> HostSettings {
        HostSettings {
            plugin_dirs: vec![self.plugins()],
            state_dir: self.state(),
            construct_timeout: PATIENCE,
            ..HostSettings::default()
        }
    }

    pub(crate) fn loader(&self) -> Loader {
        Loader::new(&self.settings())
    }

    pub(crate) fn scan(&self) -> Catalogue {
        Catalogue::scan(&[self.plugins()])
    }

    /// Loads a plugin from what is in the directory now.
    pub(crate) async fn load(&self, id: &str) -> Result<Arc<Library>, Refusal> {
        let catalogue = self.scan();
        let entry = catalogue
            .get(id)
            .unwrap_or_else(|| panic!("{id} was not verified: {:?}", catalogue.refusals()));
        self.loader().load(entry).await
    }

    /// The refusal of the only file in the directory, whose every word is checked: `FILE` stands for its path.
    pub(crate) fn refuses(&self, line: &str) {
        let catalogue = self.scan();
        assert_eq!(catalogue.entries().count(), 0, "nothing is accepted");
        let refusals = catalogue.refusals();
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert_line(&refusals[0], line);
        assert_eq!(self.staged(), [""; 0], "nothing is staged");
    }
}

/// The refusal says exactly this, in one line of bounded length: `FILE` stands for its path.
#[track_caller]
pub(crate) fn assert_line(refusal: &Refusal, expected: &str) {
    let line = refusal.to_string();
    assert!(!line.contains('\n'), "{line}");
    assert!(
        line.chars().count() <= MAX_CHARS,
        "{} characters: {line}",
        line.len()
    );
    let path = refusal.path.display().to_string();
    assert_eq!(line.replace(&path, "FILE"), expected);
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}
