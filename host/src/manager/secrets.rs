//! Secrets: read when asked for, shown nowhere.

use std::collections::BTreeMap;

use plugin_api::Error;
use plugin_api::host::Secret;

use crate::config::secrets::read;
use crate::config::settings::SecretSource;

/// The operator's named secrets. A file is read each time, so that a rotated secret is used at once.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    sources: BTreeMap<String, SecretSource>,
}

impl Secrets {
    /// Those that `[secrets]` names.
    pub fn new(sources: BTreeMap<String, SecretSource>) -> Self {
        Self { sources }
    }

    /// A secret by name.
    ///
    /// # Errors
    /// `NOT_FOUND` where nothing is configured, `CONFIGURATION` where it cannot be read. Never holds the secret.
    pub fn get(&self, name: &str) -> Result<Secret, Error> {
        let source = self.sources.get(name).ok_or_else(|| {
            Error::not_found(format!("no secret `{name}` is configured")).hint(format!(
                "add `{name} = {{ file = \"…\" }}` or `{{ env = \"…\" }}` under [secrets]"
            ))
        })?;
        read(source)
    }
}
