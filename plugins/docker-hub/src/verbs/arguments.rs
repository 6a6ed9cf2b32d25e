//! The arguments of each verb: what is read here, the manifest describes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

mod images;

pub use images::{Build, Image, Import, PruneImages, RemoveImage, Tag};

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

/// Of `logs`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// Its name or id.
    #[schemars(length(min = 1))]
    pub container: String,
    /// The engine that has it, where several have one of this name.
    #[serde(default)]
    pub engine: Option<String>,
    /// How many of the last lines.
    #[serde(default = "hundred")]
    pub tail: u32,
    /// Only what is newer than so many seconds ago.
    #[serde(default)]
    pub since: Option<u32>,
    /// Go on with what comes, as progress, until the container ends or nobody listens.
    #[serde(default)]
    pub follow: bool,
    /// How many bytes of each stream are in the result.
    #[serde(default = "mebibyte")]
    pub output_bytes: u32,
}

/// Of `exec`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// Its name or id.
    #[schemars(length(min = 1))]
    pub container: String,
    /// The engine that has it, where several have one of this name.
    #[serde(default)]
    pub engine: Option<String>,
    /// The program and its arguments.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// Its variables, besides the container's.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Where it starts; the container's own where absent.
    #[serde(default)]
    pub working_directory: Option<String>,
    /// The user it runs as; the container's own where absent.
    #[serde(default)]
    pub user: Option<String>,
    /// Text for its standard input.
    #[serde(default)]
    pub stdin: Option<String>,
    /// Seconds after which it is killed, with everything it started.
    #[serde(default = "minute")]
    #[schemars(range(min = 1))]
    pub timeout: u32,
    /// How many bytes of each stream are kept for the result; all is in the progress.
    #[serde(default = "mebibyte")]
    pub output_bytes: u32,
}

/// A file's contents: text, or `{"base64": …}`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Text as it is.
    Text(String),
    /// Any bytes.
    Bytes(Base64),
}

/// Bytes in base 64.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base64 {
    /// The bytes.
    pub base64: String,
}

/// Of `copy-in`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyIn {
    /// Its name or id.
    #[schemars(length(min = 1))]
    pub container: String,
    /// The engine that has it, where several have one of this name.
    #[serde(default)]
    pub engine: Option<String>,
    /// The directory in the container, which must be there.
    #[serde(default = "root")]
    pub path: String,
    /// Files by name, relative to the directory: text, or { base64 = "…" }.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub files: BTreeMap<String, Content>,
    /// A tar archive in base 64, instead of files.
    #[serde(default)]
    pub tar: Option<String>,
}

/// Of `copy-out`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyOut {
    /// Its name or id.
    #[schemars(length(min = 1))]
    pub container: String,
    /// The engine that has it, where several have one of this name.
    #[serde(default)]
    pub engine: Option<String>,
    /// The file or directory in the container.
    #[schemars(length(min = 1))]
    pub path: String,
    /// Answer with one tar archive instead of files.
    #[serde(default)]
    pub tar: bool,
    /// How many bytes are copied at most.
    #[serde(default = "sixteen_mebibytes")]
    pub max_bytes: u32,
}

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

/// Of `list`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Those that do not run too.
    #[serde(default)]
    pub all: bool,
    /// Only those that this hub made, on whatever host.
    #[serde(default)]
    pub ours: bool,
}

/// Of `events`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Also what happened in so many seconds before.
    #[serde(default)]
    pub since: Option<u32>,
    /// Stop after so many seconds; go on until nobody listens where absent.
    #[serde(default)]
    pub seconds: Option<u32>,
}

/// Of `prune`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    /// All that do not run, and not only those that this hub made.
    #[serde(default)]
    pub all: bool,
}

/// Of `images`, `capabilities` and `cleanup`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

fn ten() -> u32 {
    10
}
fn hundred() -> u32 {
    100
}
fn minute() -> u32 {
    60
}
fn many() -> u32 {
    512
}
fn one() -> f64 {
    1.0
}
fn mebibyte() -> u32 {
    1 << 20
}
fn sixteen_mebibytes() -> u32 {
    16 << 20
}
fn half_gibibyte() -> u64 {
    512 << 20
}
fn sigkill() -> String {
    "SIGKILL".to_owned()
}
fn root() -> String {
    "/".to_owned()
}
fn bridge() -> String {
    "bridge".to_owned()
}
fn no() -> String {
    "no".to_owned()
}
