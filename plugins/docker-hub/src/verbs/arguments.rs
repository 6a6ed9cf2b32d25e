//! The arguments of each verb: what is read here, the manifest describes.

use schemars::JsonSchema;
use serde::Deserialize;

mod images;
mod inside;
mod lifecycle;
mod look;

pub use images::{Build, Image, Import, PruneImages, RemoveImage, Tag};
pub use inside::{Base64, Content, CopyIn, CopyOut, Exec};
pub use lifecycle::{Create, Kill, Prune, Remove, Run, Stop, Wait};
pub use look::{Events, List, Logs};

/// Of verbs about one container that need no more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Its name or id.
    #[schemars(length(min = 1))]
    pub container: String,
    /// The engine that has it, where several have one of this name.
    #[serde(default)]
    pub engine: Option<String>,
}

/// Of `images`, `capabilities` and `cleanup`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

fn mebibyte() -> u32 {
    1 << 20
}
fn minute() -> u32 {
    60
}
