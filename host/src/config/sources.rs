//! Where settings come from: which file, which variables, which flags.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::diagnostics::Mistake;
use super::source::SourceMap;

/// Where settings come from. The command line wins over the environment, that over the file, and that over the
/// defaults of a hub's plugin, and those over the built-in ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The file that was asked for: `--config`, else `GLEITZEIT_CONFIG`.
    pub path: Option<PathBuf>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// Each `--set key=value`.
    pub sets: Vec<String>,
}

impl Sources {
    /// This process's environment and these flags. Variables that are not text are left out: no setting is in
    /// them.
    pub fn of_process(path: Option<PathBuf>, sets: Vec<String>) -> Self {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            path,
            environment,
            sets,
        }
    }

    /// The file to read: the one asked for, or the first there is of those that [`candidates`](Self::candidates)
    /// lists.
    pub fn file(&self) -> Option<PathBuf> {
        self.candidates()
            .into_iter()
            .find(|path| self.asked_for().is_some() || path.exists())
    }

    /// The files that would be read, the first that exists.
    pub fn candidates(&self) -> Vec<PathBuf> {
        if let Some(path) = self.asked_for() {
            return vec![path];
        }
        let mut candidates = vec![PathBuf::from("plugins.toml")];
        let home = self.environment.get("HOME").filter(|home| !home.is_empty());
        let config = match self
            .environment
            .get("XDG_CONFIG_HOME")
            .filter(|path| !path.is_empty())
        {
            Some(path) => Some(PathBuf::from(path)),
            None => home.map(|home| Path::new(home).join(".config")),
        };
        candidates.extend(config.map(|directory| directory.join("gleitzeit/plugins.toml")));
        candidates.push(PathBuf::from("/etc/gleitzeit/plugins.toml"));
        candidates
    }

    fn asked_for(&self) -> Option<PathBuf> {
        let variable = self
            .environment
            .get("GLEITZEIT_CONFIG")
            .filter(|path| !path.is_empty());
        self.path.clone().or_else(|| variable.map(PathBuf::from))
    }
}

/// Reads the file's text.
pub(super) fn read_text(path: &Path, sources: &mut SourceMap) -> Result<String, Mistake> {
    /// More than anybody writes by hand, and little enough to read without thinking.
    const LIMIT: u64 = 4 << 20;
    let shown = path.display();
    let broken = |what: String| Mistake::new(format!("`{shown}` cannot be read: {what}"));
    let file = std::fs::File::open(path).map_err(|error| {
        let mistake = broken(error.to_string());
        if error.kind() == std::io::ErrorKind::NotFound {
            mistake.help(MISSING_FILE)
        } else {
            mistake
        }
    })?;
    let metadata = file.metadata().map_err(|error| broken(error.to_string()))?;
    if !metadata.is_file() && metadata.is_dir() {
        return Err(
            broken("it is a directory".to_owned()).help(format!("write --config {shown}/plugins.toml"))
        );
    }
    let mut bytes = Vec::new();
    file.take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| broken(error.to_string()))?;
    if bytes.len() as u64 > LIMIT {
        return Err(broken("it is larger than 4 MiB".to_owned()));
    }
    super::rules::files::not_writable_by_others(path, &metadata)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let place = sources.add(shown.to_string(), &text);
        Mistake::new("the file is not UTF-8 text")
            .at(Some(place.within(valid..valid + 1)), "the first byte that is not")
            .help("save it as UTF-8")
    })
}

/// The way out for whoever has no file yet.
pub(super) const MISSING_FILE: &str = "start from the example that ships with Gleitzeit (plugins.toml), or write \
    one line, `providers.llm.plugin = \"llm-provider\"`; then `gleitzeit check` says whether it is right";
