//! Of verbs about images.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Of verbs about one image that need no more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// The image, by name, digest or id.
    #[schemars(length(min = 1))]
    pub image: String,
}

/// Of `remove-image`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveImage {
    /// The image, by name, digest or id.
    #[schemars(length(min = 1))]
    pub image: String,
    /// Even where it has other names, or containers that do not run.
    #[serde(default)]
    pub force: bool,
}

/// Of `tag`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// The image, by name, digest or id.
    #[schemars(length(min = 1))]
    pub image: String,
    /// The name it gets besides, such as mine/box:2.
    #[schemars(length(min = 1))]
    pub name: String,
}

/// Of `prune-images`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PruneImages {
    /// All that no container uses, and not only those without a name.
    #[serde(default)]
    pub all: bool,
}

/// Of `build`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The name the image gets.
    #[schemars(length(min = 1))]
    pub name: String,
    /// A directory of the host's machine with everything that is needed.
    #[serde(default)]
    pub directory: Option<String>,
    /// The same as a tar archive in base 64.
    #[serde(default)]
    pub tar: Option<String>,
    /// The text of a Dockerfile that needs nothing besides.
    #[serde(default)]
    pub dockerfile: Option<String>,
    /// The Dockerfile's path in the directory.
    #[serde(default = "dockerfile")]
    pub file: String,
    /// Values of the Dockerfile's ARGs.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
    /// Which of several stages to build.
    #[serde(default)]
    pub target: Option<String>,
    /// Do everything anew.
    #[serde(default)]
    pub no_cache: bool,
    /// The network that steps have; none unless said.
    #[serde(default = "none")]
    pub network: String,
    /// Seconds it may take.
    #[serde(default = "half_hour")]
    #[schemars(range(min = 1))]
    pub timeout: u32,
}

/// Of `import`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// The name the image gets.
    #[schemars(length(min = 1))]
    pub name: String,
    /// A tar archive of a root file system on the host's machine.
    #[serde(default)]
    pub file: Option<String>,
    /// The same in base 64.
    #[serde(default)]
    pub tar: Option<String>,
    /// Lines as in a Dockerfile, such as CMD ["/bin/sh"].
    #[serde(default)]
    pub changes: Vec<String>,
}

fn dockerfile() -> String {
    "Dockerfile".to_owned()
}
fn half_hour() -> u32 {
    1800
}
fn none() -> String {
    "none".to_owned()
}
