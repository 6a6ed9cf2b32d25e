//! Where a secret comes from. Never the file itself: what is written there ends up in backups and screenshots.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a secret comes from. The file or the variable is read at start; the value is never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SecretSource {
    /// A file whose trimmed contents are the secret; must not be readable by others.
    #[serde(rename = "file")]
    File(PathBuf),
    /// An environment variable.
    #[serde(rename = "env")]
    Environment(String),
}
