//! Secrets: read when asked for, shown nowhere.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use plugin_api::host::Secret;
use plugin_api::{Error, ErrorCode, Fault};

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
            Error::not_found(format!("no secret `{name}` is configured"))
                .hint(format!("add `{name} = {{ file = \"…\" }}` or `{{ env = \"…\" }}` under [secrets]"))
        })?;
        read(source)
    }
}

/// Reads a secret from its source.
///
/// # Errors
/// The file cannot be read, others may read it, or it or the variable is empty.
pub fn read(source: &SecretSource) -> Result<Secret, Error> {
    let wrong = |message: String| Error::new(ErrorCode::CONFIGURATION, Fault::Host, message);
    let text = match source {
        SecretSource::File(path) => {
            refuse_open_to_others(path)?;
            std::fs::read_to_string(path)
                .map_err(|error| wrong(format!("the secret file {} cannot be read: {error}", path.display())))?
        }
        SecretSource::Environment(variable) => std::env::var(variable)
            .map_err(|_| wrong(format!("the environment variable {variable} is not set, or is not text")))?,
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(wrong("a secret is empty".to_owned()).detail("source", format!("{source:?}")));
    }
    Ok(Secret::new(text))
}

fn refuse_open_to_others(path: &Path) -> Result<(), Error> {
    let open = std::fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o007 != 0);
    if open {
        let message = format!("the secret file {} is open to everybody on this machine", path.display());
        return Err(Error::new(ErrorCode::CONFIGURATION, Fault::Host, message)
            .hint(format!("run: chmod 600 {}", path.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(mode: u32, text: &str) -> (tempfile::TempDir, SecretSource) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        (folder, SecretSource::File(path))
    }

    #[test]
    fn a_file_is_trimmed() {
        let (_folder, source) = file(0o600, "  s3cret\n");
        assert_eq!(read(&source).expect("readable").expose(), "s3cret");
    }

    #[test]
    fn a_file_open_to_others_is_refused_with_the_remedy() {
        let (_folder, source) = file(0o644, "s3cret");
        let error = read(&source).expect_err("open to others");
        assert!(error.hint.is_some_and(|hint| hint.contains("chmod 600")));
    }

    #[test]
    fn an_empty_or_missing_secret_is_an_error_that_does_not_show_it() {
        let (_folder, source) = file(0o600, " \n");
        assert!(read(&source).is_err());
        assert!(read(&SecretSource::Environment("GLEITZEIT_NO_SUCH_VARIABLE".into())).is_err());
        assert!(Secrets::default().get("key").is_err());
    }
}
