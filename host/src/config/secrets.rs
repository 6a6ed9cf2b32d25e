//! Reading secrets: once, at start, from where the operator keeps them.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use plugin_api::host::Secret;
use plugin_api::{Error, ErrorCode, Fault};

use super::settings::SecretSource;

/// Shorter keys of callers can be guessed; refused at start rather than regretted later.
pub const SHORTEST_KEY: usize = 16;

/// Larger files are not keys; reading stops here.
const LARGEST: u64 = 64 << 10;

/// Reads a secret, trimmed. Blocks: call it at start or off the network threads.
///
/// # Errors
/// `CONFIGURATION`: it is missing, empty, not text, or a file that others may read. The message names the
/// source and never the value.
pub fn read(source: &SecretSource) -> Result<Secret, Error> {
    let value = match source {
        SecretSource::File(path) => read_file(path)?,
        SecretSource::Environment(name) => std::env::var(name).map_err(|_| {
            refusal(format!(
                "the environment variable `{name}` is not set or not text"
            ))
        })?,
    };
    let value = value.trim();
    if value.is_empty() {
        return Err(refusal(match source {
            SecretSource::File(path) => format!("{} is empty", path.display()),
            SecretSource::Environment(name) => format!("the environment variable `{name}` is empty"),
        }));
    }
    Ok(Secret::new(value))
}

pub(super) fn read_file(path: &Path) -> Result<String, Error> {
    let shown = path.display();
    let cannot = |error: std::io::Error| refusal(format!("{shown} cannot be read: {error}"));
    let file = std::fs::File::open(path).map_err(cannot)?;
    // Of the open file, not of the path: the path could name another one by now.
    let metadata = file.metadata().map_err(cannot)?;
    if metadata.mode() & 0o007 != 0 {
        return Err(
            refusal(format!("{shown} may be used by every user of this machine"))
                .hint(format!("chmod o= {shown}")),
        );
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(cannot)?;
    Ok(text)
}

fn refusal(message: String) -> Error {
    Error::new(ErrorCode::CONFIGURATION, Fault::Client, message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    fn read_from(file: &tempfile::NamedTempFile) -> Result<Secret, Error> {
        read(&SecretSource::File(file.path().into()))
    }

    #[test]
    fn a_private_file_is_read_without_its_line_end() {
        assert_eq!(read_from(&file("abc\n", 0o600)).unwrap().expose(), "abc");
        assert_eq!(read_from(&file("abc\r\n", 0o640)).unwrap().expose(), "abc");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_cure() {
        let error = read_from(&file("abc", 0o644)).unwrap_err();
        assert!(
            error
                .hint
                .as_deref()
                .is_some_and(|hint| hint.starts_with("chmod o= ")),
            "{error:?}"
        );
        assert!(!format!("{error:?}").contains("abc"));
    }

    #[test]
    fn what_is_empty_or_missing_is_refused_by_name() {
        let error = read_from(&file(" \n", 0o600)).unwrap_err();
        assert!(error.message.ends_with("is empty"), "{error}");
        let error = read(&SecretSource::Environment(
            "GLEITZEIT_TEST_NO_SUCH_VARIABLE".into(),
        ))
        .unwrap_err();
        assert!(
            error.message.contains("GLEITZEIT_TEST_NO_SUCH_VARIABLE"),
            "{error}"
        );
    }
}
