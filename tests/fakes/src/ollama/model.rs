//! A model as it lies on a fake's disk.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::name::Name;
use crate::{stamp, vectors};

/// A model: what listings say of it, and what it can do.
///
/// By default a chat model with tools. Its digest follows from its name, so that the same name on two fakes is the same
/// build unless [`FakeModel::build`] says otherwise.
#[derive(Debug, Clone)]
pub struct FakeModel {
    pub(super) name: String,
    pub(super) digest: String,
    pub(super) size: u64,
    pub(super) vram: Option<u64>,
    pub(super) family: String,
    pub(super) context: u64,
    pub(super) dimensions: usize,
    pub(super) capabilities: Vec<&'static str>,
    pub(super) modified: SystemTime,
}

impl FakeModel {
    /// A model called `name`, which is spelled like this in listings, with its tag.
    pub fn new(name: &str) -> Self {
        let spelled = Name::parse(name).map_or_else(|| name.to_owned(), |name| name.short());
        let family: String = spelled.chars().take_while(char::is_ascii_alphabetic).collect();
        Self {
            digest: vectors::digest(&spelled.to_ascii_lowercase()),
            size: 2_019_393_189,
            vram: None,
            family: if family.is_empty() {
                "llama".to_owned()
            } else {
                family.to_ascii_lowercase()
            },
            context: 131_072,
            dimensions: 16,
            capabilities: vec!["completion", "tools"],
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(1_770_000_000),
            name: spelled,
        }
    }

    /// The longest context it was trained for, in tokens.
    pub fn context(mut self, tokens: u64) -> Self {
        self.context = tokens;
        self
    }

    /// Sees images.
    pub fn vision(self) -> Self {
        self.can("vision")
    }

    /// Thinks before it answers, unless told not to.
    pub fn thinking(self) -> Self {
        self.can("thinking")
    }

    /// Completes between a prompt and a suffix.
    pub fn insert(self) -> Self {
        self.can("insert")
    }

    /// Knows nothing of tools.
    pub fn without_tools(mut self) -> Self {
        self.capabilities.retain(|capability| *capability != "tools");
        self
    }

    /// Makes embeddings of this many dimensions and nothing else.
    pub fn embedding(mut self, dimensions: usize) -> Self {
        self.capabilities = vec!["embedding"];
        self.dimensions = dimensions;
        self
    }

    /// Its size on disk, and in memory unless [`FakeModel::vram`] says otherwise, in bytes.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }

    /// How much of it is in the memory of a GPU once loaded, in bytes; all by default.
    pub fn vram(mut self, bytes: u64) -> Self {
        self.vram = Some(bytes);
        self
    }

    /// A build of its own, with a digest unlike that of other builds.
    pub fn build(mut self, id: &str) -> Self {
        self.digest = vectors::digest(&format!("{} {id}", self.name.to_ascii_lowercase()));
        self
    }

    /// When it was pulled; listings begin with the newest.
    pub fn modified(mut self, at: SystemTime) -> Self {
        self.modified = at;
        self
    }

    fn can(mut self, capability: &'static str) -> Self {
        self.capabilities.push(capability);
        self
    }

    pub(super) fn is_able(&self, capability: &str) -> bool {
        self.capabilities.contains(&capability)
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        match (Name::parse(&self.name), Name::parse(name)) {
            (Some(own), Some(asked)) => own.is(&asked),
            _ => false,
        }
    }

    /// `registry.ollama.ai/library/m:latest`.
    pub(super) fn full_name(&self) -> String {
        Name::parse(&self.name).map_or_else(|| self.name.clone(), |name| name.full())
    }

    pub(super) fn namespace(&self) -> String {
        Name::parse(&self.name).map_or_else(|| "library".to_owned(), |name| name.namespace().to_owned())
    }

    /// The `details` of every listing.
    pub(super) fn details(&self) -> Value {
        json!({
            "parent_model": "",
            "format": "gguf",
            "family": self.family,
            "families": [self.family],
            "parameter_size": "3.2B",
            "quantization_level": "Q4_K_M",
            "context_length": self.context,
            "embedding_length": self.dimensions,
        })
    }

    /// One line of `/api/tags`.
    pub(super) fn listed(&self) -> Value {
        json!({
            "name": self.name,
            "model": self.name,
            "modified_at": stamp::local(self.modified),
            "size": self.size,
            "digest": self.digest,
            "details": self.details(),
            "capabilities": self.capabilities,
        })
    }
}

impl From<&str> for FakeModel {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}
