//! Of verbs that do something in a container.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{mebibyte, minute};

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

fn sixteen_mebibytes() -> u32 {
    16 << 20
}
fn root() -> String {
    "/".to_owned()
}
