//! Building, and finding what was built.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::shell;

/// The plugins that ship: every folder of `plugins`, in order of name.
pub(crate) fn plugins() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(shell::root().join("plugins")).context("cannot read plugins")? {
        let entry = entry?;
        // A folder without one is what a branch left behind.
        if entry.path().join("Cargo.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// What was built, by target name: executables and shared libraries.
pub(crate) struct Built(BTreeMap<String, PathBuf>);

impl Built {
    /// The file of a target.
    pub(crate) fn file(&self, target: &str) -> anyhow::Result<&Path> {
        let normal = target.replace('-', "_");
        let found = self.0.get(target).or_else(|| self.0.get(&normal));
        found
            .map(PathBuf::as_path)
            .with_context(|| format!("cargo built no `{target}`"))
    }
}

impl Built {
    /// Writes the list of what was built, for tests that load and run it.
    pub(crate) fn write(&self, to: &Path) -> anyhow::Result<()> {
        std::fs::write(to, serde_json::to_vec(&self.0)?)
            .with_context(|| format!("cannot write {}", to.display()))
    }
}

/// Builds packages; `release` is the fast profile.
pub(crate) fn build(packages: &[String], release: bool) -> anyhow::Result<Built> {
    let mut command = shell::cargo();
    command
        .args(["build", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit());
    if release {
        command.arg("--release");
    }
    for package in packages {
        command.args(["--package", package]);
    }
    let output = command.output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the build failed");
    }
    let mut built = BTreeMap::new();
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            continue;
        };
        let Some(name) = message["target"]["name"].as_str() else {
            continue;
        };
        let mut files = message["filenames"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let library = files.rfind(|file| file.ends_with(".so"));
        if let Some(file) = message["executable"].as_str().or(library) {
            built.insert(name.to_owned(), PathBuf::from(file));
        }
    }
    Ok(Built(built))
}

/// Puts a plugin into a directory, so that whoever watches it never sees half a file.
pub(crate) fn stage(file: &Path, directory: &Path) -> anyhow::Result<()> {
    let name = file.file_name().context("a plugin without a name")?;
    let partial = directory.join(format!(".{}.partial", name.to_string_lossy()));
    std::fs::copy(file, &partial).with_context(|| format!("cannot write {}", partial.display()))?;
    // A umask of 002 would have made it writable by the group, and the host refuses that.
    std::fs::set_permissions(&partial, std::fs::Permissions::from_mode(0o755))?;
    std::fs::rename(&partial, directory.join(name))?;
    Ok(())
}
