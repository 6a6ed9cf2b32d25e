//! Files as parameters: their text, or their bytes.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cli::Failure;

/// Longer files are not meant for a request.
const LARGEST: u64 = 64 << 20;

/// A file that a word names.
pub(in crate::cli) struct Named {
    /// Its own name, without the way to it.
    name: String,
    content: Content,
}

enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

/// The file that a value names with `@` or `%`, if it does.
///
/// # Errors
/// It cannot be read, is too large, or is no text where text was asked for.
pub(in crate::cli) fn named(value: &str) -> Result<Option<Named>, Failure> {
    let (text, path) = match (value.strip_prefix('@'), value.strip_prefix('%')) {
        (Some(path), _) => (true, path),
        (_, Some(path)) => (false, path),
        _ => return Ok(None),
    };
    let bytes = read(path).map_err(|error| Failure::usage(format!("`{path}` cannot be read: {error}")))?;
    let content = match text {
        false => Content::Bytes(bytes),
        true => Content::Text(String::from_utf8(bytes).map_err(|_| {
            Failure::usage(format!("`{path}` is no text"))
                .hint(format!("write %{path} for its bytes in base64"))
        })?),
    };
    let name = Path::new(path)
        .file_name()
        .map_or(path.into(), |name| name.to_string_lossy());
    Ok(Some(Named {
        name: name.into_owned(),
        content,
    }))
}

fn read(path: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match path {
        "-" => std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes)?,
        path => std::fs::File::open(path)?
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)?,
    };
    match read as u64 > LARGEST {
        true => Err(std::io::Error::other("it is larger than 64 MiB")),
        false => Ok(bytes),
    }
}

impl Named {
    /// As a value: text, be it in base64.
    pub(in crate::cli) fn value(self) -> Value {
        match self.content {
            Content::Text(text) => Value::String(text),
            Content::Bytes(bytes) => Value::String(STANDARD.encode(bytes)),
        }
    }

    /// As an entry of a table of files, under its own name: text, or an object that says that it is base64.
    pub(super) fn entry(self) -> (String, Value) {
        let value = match self.content {
            Content::Text(text) => Value::String(text),
            Content::Bytes(bytes) => json!({ "base64": STANDARD.encode(bytes) }),
        };
        (self.name, value)
    }
}
