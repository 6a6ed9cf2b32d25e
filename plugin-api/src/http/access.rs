//! Keys and headers that a server wants.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;

use crate::{Error, ErrorCode, Fault};

/// How to be let in: part of the `config` of an instance whose server wants a key.
///
/// Flatten it into the hub's own type. The key itself is never in the configuration, so that the file can be
/// shown and shared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Access {
    /// A file whose trimmed contents are the key; others may not read it.
    pub key_file: Option<PathBuf>,
    /// The environment variable that holds the key.
    pub key_env: Option<String>,
    /// Further headers for every request, such as `openai-organization`. Not for secrets.
    pub headers: BTreeMap<String, String>,
}

/// The key or a header cannot be used. Never holds the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Two places for one key.
    #[error("both key_file and key_env are given")]
    Both,
    /// The file cannot be read.
    #[error("cannot read the key file {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Anyone on the machine can read the file.
    #[error("the key file {} can be read by every user of this machine", .0.display())]
    Exposed(PathBuf),
    /// The variable is not set, or not text.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// There is nothing in it, or something that no header can hold.
    #[error("the key in {0} is empty or holds characters that a header cannot")]
    Unusable(String),
    /// A header that HTTP does not allow.
    #[error("`{0}` is not a header, or its value is not one")]
    Header(String),
}

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Self {
        let hint = match &error {
            AccessError::Both => "keep one of them".to_owned(),
            AccessError::File { .. } => "give the path of a file that this user can read".to_owned(),
            AccessError::Exposed(path) => format!("run: chmod o-rwx {}", path.display()),
            AccessError::Unset(name) => format!("set {name} in the environment of the host"),
            AccessError::Unusable(_) => "the key is expected alone, on one line".to_owned(),
            AccessError::Header(_) => "headers are written like { \"x-team\" = \"search\" }".to_owned(),
        };
        Error::new(ErrorCode::CONFIGURATION, Fault::Client, error.to_string()).hint(hint)
    }
}

impl Access {
    /// The headers to send with each request, names in lower case: `authorization: Bearer` with the key, where
    /// there is one, and the others. Reads the file or the variable now.
    ///
    /// # Errors
    /// The key cannot be had, or a header is none.
    pub fn to_headers(&self) -> Result<Vec<(String, String)>, AccessError> {
        let mut headers = Vec::new();
        if let Some(key) = self.key()? {
            headers.push(("authorization".to_owned(), format!("Bearer {key}")));
        }
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            if HeaderName::from_bytes(lower.as_bytes()).is_err() || HeaderValue::from_str(value).is_err() {
                return Err(AccessError::Header(name.clone()));
            }
            headers.push((lower, value.clone()));
        }
        Ok(headers)
    }

    fn key(&self) -> Result<Option<String>, AccessError> {
        let (text, place) = match (&self.key_file, &self.key_env) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(AccessError::Both),
            (Some(path), None) => (read_private(path)?, path.display().to_string()),
            (None, Some(name)) => (
                std::env::var(name).map_err(|_| AccessError::Unset(name.clone()))?,
                name.clone(),
            ),
        };
        let key = text.trim();
        if key.is_empty() || HeaderValue::from_str(key).is_err() {
            return Err(AccessError::Unusable(place));
        }
        Ok(Some(key.to_owned()))
    }
}

fn read_private(path: &PathBuf) -> Result<String, AccessError> {
    let unreadable = |error: std::io::Error| AccessError::File {
        path: path.clone(),
        reason: error.to_string(),
    };
    const READABLE_BY_OTHERS: u32 = 0o004;
    if fs::metadata(path).map_err(unreadable)?.mode() & READABLE_BY_OTHERS != 0 {
        return Err(AccessError::Exposed(path.clone()));
    }
    fs::read_to_string(path).map_err(unreadable)
}
