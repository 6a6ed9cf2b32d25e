//! A directory with a `plugins.toml` in it, and two plugins' manifests.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use plugin_api::manifest::Manifest;
use tempfile::TempDir;

use crate::config::{self, Diagnostics, Draft, Manifests, Settings, Sources};

/// A directory, an environment and flags to read settings from.
pub(super) struct Fixture {
    directory: TempDir,
    sources: Sources,
}

/// A fixture whose `plugins.toml` has this text.
pub(super) fn file(text: impl AsRef<[u8]>) -> Fixture {
    let fixture = no_file();
    fixture.write("plugins.toml", text, 0o644)
}

/// A fixture whose `plugins.toml` does not exist.
pub(super) fn no_file() -> Fixture {
    let directory = TempDir::new().unwrap();
    let sources = Sources {
        path: Some(directory.path().join("plugins.toml")),
        ..Sources::default()
    };
    Fixture { directory, sources }
}

impl Fixture {
    pub(super) fn write(self, name: &str, text: impl AsRef<[u8]>, mode: u32) -> Self {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub(super) fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(super) fn set(mut self, set: &str) -> Self {
        self.sources.sets.push(set.to_owned());
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Reads and checks with the manifests of the test's plugins.
    pub(super) fn load(&self) -> Result<Settings, Diagnostics> {
        self.load_with(&manifests())
    }

    /// Reads and checks with these manifests.
    pub(super) fn load_with(&self, manifests: &Manifests) -> Result<Settings, Diagnostics> {
        self.draft().finish(Some(manifests))
    }

    /// Reads, without checking.
    pub(super) fn draft(&self) -> Draft {
        config::read(&self.sources)
    }

    /// Reads and checks without any manifests.
    pub(super) fn load_alone(&self) -> Result<Settings, Diagnostics> {
        config::load(&self.sources)
    }

    /// The settings; fails with all mistakes if there are any.
    #[track_caller]
    pub(super) fn settings(&self) -> Settings {
        match self.load() {
            Ok(settings) => settings,
            Err(mistakes) => panic!("{}", self.plain(&mistakes)),
        }
    }

    /// All mistakes as an operator sees them, with the directory left out; fails if there are none.
    #[track_caller]
    pub(super) fn mistakes(&self) -> String {
        match self.load() {
            Ok(settings) => panic!("no mistake was found in {settings:?}"),
            Err(mistakes) => self.plain(&mistakes),
        }
    }

    fn plain(&self, mistakes: &Diagnostics) -> String {
        // Wide enough that lines do not break differently with the length of the directory's name.
        let directory = format!("{}/", self.directory.path().display());
        mistakes.render(false, 400).replace(&directory, "")
    }
}

/// A hub of gadgets, a hub of gizmos, and a provider that can use both.
pub(super) fn manifests() -> Manifests {
    let texts = [
        r#"
            id = "gadget-hub"
            version = "1.0.0"
            [hub]
            provides = "gadget"
            defaults = { strategy = "model_affinity", health = { interval = "10s" } }
            [hub.config]
            type = "object"
            properties.auto_discover = { type = "boolean", default = true, description = "Look for gadgets." }
            properties.ports = { type = "array", items = { type = "integer", minimum = 1, maximum = 65535 } }
            properties.patience = { type = "string", format = "human-duration" }
            properties.colour = { enum = ["red", "green"] }
            [hub.instance_config]
            type = "object"
            properties.key_env = { type = "string" }
            properties.key_file = { type = "string" }
            [hub.start]
            type = "object"
            required = ["command"]
            properties.command = { type = "string", description = "What to run." }
        "#,
        r#"
            id = "gizmo-hub"
            version = "1.0.0"
            hub = { provides = "gizmo" }
        "#,
        r#"
            id = "rock-hub"
            version = "1.0.0"
            hub = { provides = "rock", schemes = ["unix", "tcp"] }
        "#,
        r#"
            id = "toy-provider"
            version = "1.0.0"
            [provider]
            protocol = "toy/v1"
            requires = ["gadget", "gizmo"]
            [provider.config]
            type = "object"
            properties.aliases = { type = "object", additionalProperties = { type = "string" } }
        "#,
    ];
    let parse = |text| toml::from_str::<Manifest>(text).unwrap();
    texts
        .into_iter()
        .map(parse)
        .map(|manifest| (manifest.id.clone(), manifest))
        .collect::<BTreeMap<_, _>>()
}
