//! From sources to settings: read, merge, check, complete.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::diagnostics::{Diagnostics, Mistake};
use super::plugins::Manifests;
use super::settings::{HostSettings, Settings};
use super::source::SourceMap;
use super::sources::{self, Sources};
use super::tree::{Kind, Node, Step, dotted, steps};
use super::{overrides, parse, paths, plugins, rules, validate};

/// Settings that are read and merged, and not yet checked.
///
/// They come in two steps because of the chicken and the egg: plugins' manifests are part of the check, and the
/// directories they are in are part of what is checked.
#[derive(Debug, Clone)]
pub struct Draft {
    tree: Node,
    sources: SourceMap,
    mistakes: Vec<Mistake>,
    base: PathBuf,
    file: Option<PathBuf>,
    environment: BTreeMap<String, String>,
    refused: BTreeMap<String, String>,
}

/// Everything the rules look at.
pub(super) struct Facts<'a> {
    /// What was read, as far as it is well-formed.
    pub(super) settings: &'a Settings,
    /// The same with places; ill-formed parts are taken out.
    pub(super) tree: &'a Node,
    /// Everything that was read.
    pub(super) whole: &'a Node,
    /// The file's directory.
    pub(super) base: &'a Path,
    /// The environment.
    pub(super) environment: &'a BTreeMap<String, String>,
    /// Plugins that are there and were refused, with why.
    pub(super) refused: &'a BTreeMap<String, String>,
}

/// Reads the file, the environment and the flags. Whatever is wrong is kept for [`Draft::finish`].
pub fn read(from: &Sources) -> Draft {
    let mut sources = SourceMap::default();
    let mut mistakes = Vec::new();
    let file = from.file();
    let mut tree = None;
    match &file {
        None => {
            let candidates: Vec<_> = from
                .candidates()
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            mistakes.push(
                Mistake::new(format!(
                    "there is no plugins.toml: looked for {}",
                    candidates.join(", ")
                ))
                .help(sources::MISSING_FILE),
            );
        }
        Some(path) => match sources::read_text(path, &mut sources) {
            Ok(text) => {
                let place = sources.add(path.display().to_string(), &text);
                let (node, broken) = parse::document(&text, &place);
                mistakes.extend(broken);
                tree = Some(node);
            }
            Err(mistake) => mistakes.push(mistake),
        },
    }
    let mut tree = tree.unwrap_or_else(|| Node::empty_table(sources.add("defaults", "")));
    overrides::lay_environment(&mut tree, &from.environment, &mut sources, &mut mistakes);
    overrides::lay_flags(&mut tree, &from.sets, &mut sources, &mut mistakes);
    let base = file
        .as_deref()
        .and_then(Path::parent)
        .filter(|base| !base.as_os_str().is_empty());
    let base = base.unwrap_or(Path::new("."));
    Draft {
        tree,
        sources,
        mistakes,
        base: std::path::absolute(base).unwrap_or_else(|_| base.to_owned()),
        file,
        environment: from.environment.clone(),
        refused: BTreeMap::new(),
    }
}

impl Draft {
    /// One hub by itself, as a request describes it: written as the file would have it, so that it is checked by the
    /// same code with the same words.
    pub fn of_hub(
        name: &str,
        table: Map<String, Value>,
        base: &Path,
        environment: BTreeMap<String, String>,
    ) -> Self {
        let mut sources = SourceMap::default();
        let mut mistakes = Vec::new();
        let file = json!({ "hubs": { name: table } });
        let text = toml::to_string_pretty(&file).unwrap_or_else(|_| {
            mistakes.push(Mistake::new("null is no setting").help("leave out what has no value"));
            String::new()
        });
        let place = sources.add("the request", &text);
        let (tree, broken) = parse::document(&text, &place);
        mistakes.extend(broken);
        Self {
            tree,
            sources,
            mistakes,
            base: base.to_owned(),
            file: None,
            environment,
            refused: BTreeMap::new(),
        }
    }

    /// The file that was read.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Where to look for plugins, for what comes between [`read`] and [`finish`](Self::finish). The defaults
    /// where what is written cannot be used.
    pub fn plugin_dirs(&self) -> Vec<PathBuf> {
        let written = self
            .tree
            .at(&steps!["host", "plugin_dirs"])
            .and_then(|node| match &node.kind {
                Kind::Array(items) => items
                    .iter()
                    .map(|item| item.as_str().map(PathBuf::from))
                    .collect(),
                _ => None,
            });
        let directories: Vec<PathBuf> = written.unwrap_or_else(|| HostSettings::default().plugin_dirs);
        directories
            .iter()
            .map(|directory| self.base.join(directory))
            .collect()
    }

    /// The address to listen on, for clients that look for the host. `None` where nothing usable is written.
    pub fn listen(&self) -> Option<SocketAddr> {
        self.tree.at(&steps!["host", "listen"])?.as_str()?.parse().ok()
    }

    /// Plugins that are there and were refused, by id, with why in one line: said where the file names one.
    pub fn with_refused(mut self, refused: BTreeMap<String, String>) -> Self {
        self.refused = refused;
        self
    }

    /// Checks everything and fills in the defaults. Without manifests, what depends on them stays unchecked and
    /// bindings stay as they are written.
    ///
    /// # Errors
    /// Every mistake there is.
    pub fn finish(mut self, manifests: Option<&Manifests>) -> Result<Settings, Diagnostics> {
        let broken = !self.mistakes.is_empty();
        if let Some(manifests) = manifests {
            plugins::complete(&mut self.tree, manifests, &mut self.sources);
        }
        let whole = self.tree.clone();
        if let Some(manifests) = manifests {
            plugins::lay_defaults(&mut self.tree, manifests, &mut self.sources);
        }
        rules::keys::check_sources(&self.tree, &mut self.mistakes);
        self.prune(broken);
        rules::keys::drop_without_source(&mut self.tree);
        let mut settings: Settings = match serde_json::from_value(self.tree.to_json()) {
            Ok(settings) => settings,
            Err(error) => {
                // The schema and the types are the same code, so only a gap in the schema leads here.
                self.mistakes
                    .push(Mistake::new(format!("the settings cannot be used: {error}")));
                return Err(Diagnostics::new(self.sources, self.mistakes));
            }
        };
        plugins::name_plugins(&mut settings);
        rules::order::settle(&mut settings, &whole, &mut self.mistakes);
        let facts = Facts {
            settings: &settings,
            tree: &self.tree,
            whole: &whole,
            base: &self.base,
            environment: &self.environment,
            refused: &self.refused,
        };
        rules::check(&facts, &mut self.mistakes);
        if let Some(manifests) = manifests {
            plugins::check(&facts, manifests, &mut self.mistakes);
        }
        if !self.mistakes.is_empty() {
            return Err(Diagnostics::new(self.sources, self.mistakes));
        }
        paths::resolve(&mut settings, &self.base);
        settings.base = self.base;
        Ok(settings)
    }

    /// Reports what does not fit the schema, and takes it out, so that the rules can look at the rest. In a text
    /// that did not even parse, a missing key says nothing: the parser may have lost it.
    fn prune(&mut self, broken: bool) {
        for round in 0.. {
            let found = validate::validate_file(&self.tree);
            if found.is_empty() {
                return;
            }
            let mut paths: Vec<Vec<Step>> = Vec::new();
            for misfit in found {
                paths.push(misfit.path);
                let lost = broken && misfit.missing.is_some();
                if round == 0 && !misfit.silent && !lost {
                    self.mistakes.push(misfit.mistake);
                }
            }
            // From the back, so that taking one out of a list does not move the others.
            paths.sort();
            paths.dedup();
            for path in paths.iter().rev() {
                if path.is_empty() {
                    self.tree.kind = Kind::Table(Vec::new());
                }
                self.tree.remove(path);
            }
            // Every round takes something out, so this cannot happen; if it does, better no settings than none
            // of the mistakes.
            if round == 100 {
                let left = paths.first().map(|path| dotted(path)).unwrap_or_default();
                self.mistakes
                    .push(Mistake::new(format!("`{left}` cannot be checked")));
                self.tree.kind = Kind::Table(Vec::new());
            }
        }
    }
}
