//! Of verbs that make containers, and of those that begin and end them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{mebibyte, minute};

/// Of `create`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Create {
    /// The image, by name, digest or id.
    #[schemars(length(min = 1))]
    pub image: String,
    /// Its name; one is made up where absent.
    #[serde(default)]
    pub name: Option<String>,
    /// The program and its arguments; the image's own where absent.
    #[serde(default)]
    pub command: Vec<String>,
    /// Its variables, besides the image's.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Where it starts; the image's own where absent.
    #[serde(default)]
    pub working_directory: Option<String>,
    /// The user it runs as; the image's own where absent.
    #[serde(default)]
    pub user: Option<String>,
    /// Memory in bytes; swap is not given.
    #[serde(default = "half_gibibyte")]
    #[schemars(range(min = 6_291_456))]
    pub memory_bytes: u64,
    /// Processors, 0.5 being half of one.
    #[serde(default = "one")]
    #[schemars(range(min = 0.01))]
    pub cpus: f64,
    /// Processes and threads at once.
    #[serde(default = "many")]
    #[schemars(range(min = 1))]
    pub processes: u32,
    /// The engine's network of this name; `none` is without.
    #[serde(default = "bridge")]
    pub network: String,
    /// Ports of the engine's machine and those of the container they lead to, such as { "127.0.0.1:8080" = "80/tcp" }.
    #[serde(default)]
    pub ports: BTreeMap<String, String>,
    /// Named volumes, and where they are in the container.
    #[serde(default)]
    pub volumes: BTreeMap<String, String>,
    /// Paths of this machine it may read, and where it finds them.
    #[serde(default)]
    pub readable: BTreeMap<String, String>,
    /// Further labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Keep its root file system as it is.
    #[serde(default)]
    pub read_only: bool,
    /// The engine's runtime, such as runsc.
    #[serde(default)]
    pub runtime: Option<String>,
    /// When the engine starts it again.
    #[serde(default = "no")]
    #[schemars(extend("enum" = ["no", "on-failure", "always", "unless-stopped"]))]
    pub restart: String,
    /// Remove it when it ends.
    #[serde(default)]
    pub auto_remove: bool,
    /// It is removed after so many seconds; kept where absent.
    #[serde(default)]
    pub lifetime_seconds: Option<u64>,
}

/// Of `run`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Run {
    /// The container, as `create` takes it.
    #[serde(flatten)]
    pub create: Create,
    /// Start it and leave it, instead of waiting for its end and removing it.
    #[serde(default)]
    pub detach: bool,
    /// Seconds after which it is killed; not with `detach`.
    #[serde(default = "minute")]
    #[schemars(range(min = 1))]
    pub timeout: u32,
    /// How many bytes of each stream are kept for the result; all is in the progress.
    #[serde(default = "mebibyte")]
    pub output_bytes: u32,
}

/// Of `stop` and `restart`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Its name or id.
    #[schemars(length(min = 1))]
    pub container: String,
    /// The engine that has it, where several have one of this name.
    #[serde(default)]
    pub engine: Option<String>,
    /// Seconds it gets to end by itself before it is killed.
    #[serde(default = "ten")]
    #[schemars(range(max = 3600))]
    pub timeout: u32,
}

/// Of `kill`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// Its name or id.
    #[schemars(length(min = 1))]
    pub container: String,
    /// The engine that has it, where several have one of this name.
    #[serde(default)]
    pub engine: Option<String>,
    /// The signal.
    #[serde(default = "sigkill")]
    pub signal: String,
}

/// Of `remove`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// Its name or id.
    #[schemars(length(min = 1))]
    pub container: String,
    /// The engine that has it, where several have one of this name.
    #[serde(default)]
    pub engine: Option<String>,
    /// Kill it first, if it runs.
    #[serde(default)]
    pub force: bool,
    /// Remove its anonymous volumes too.
    #[serde(default)]
    pub volumes: bool,
}

/// Of `wait`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Its name or id.
    #[schemars(length(min = 1))]
    pub container: String,
    /// The engine that has it, where several have one of this name.
    #[serde(default)]
    pub engine: Option<String>,
    /// Seconds to wait at most; without limit where absent.
    #[serde(default)]
    pub timeout: Option<u32>,
}

/// Of `prune`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    /// All that do not run, and not only those that this hub made.
    #[serde(default)]
    pub all: bool,
}

fn ten() -> u32 {
    10
}
fn many() -> u32 {
    512
}
fn one() -> f64 {
    1.0
}
fn half_gibibyte() -> u64 {
    512 << 20
}
fn sigkill() -> String {
    "SIGKILL".to_owned()
}
fn bridge() -> String {
    "bridge".to_owned()
}
fn no() -> String {
    "no".to_owned()
}
