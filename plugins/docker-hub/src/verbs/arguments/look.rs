//! Of verbs that only look.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mebibyte;

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

fn hundred() -> u32 {
    100
}
