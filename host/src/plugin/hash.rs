//! The content of a plugin file in one word.

use std::fmt;
use std::io::{self, Read, Write};

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Bytes at a time between file, hash and copy.
const CHUNK: usize = 64 << 10;

/// The SHA-256 of a file: what tells two builds apart, whatever their names and versions say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Enough of it for a person to tell two apart.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(12);
        text
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ContentHash({self})")
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Copies everything from one to the other and hashes what it copies, so that the hash is that of the copy
/// whatever happens to the original meanwhile. Returns the number of bytes with it. Blocks on both.
///
/// # Errors
/// Reading or writing failed; the error says which by its place in [`CopyError`].
pub(super) fn copy_hashed(
    from: &mut impl Read,
    to: &mut impl Write,
) -> Result<(ContentHash, u64), CopyError> {
    let mut buffer = vec![0; CHUNK];
    let mut hasher = Sha256::new();
    let mut length = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyError::Reading(error)),
        };
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read]).map_err(CopyError::Writing)?;
        length += read as u64;
    }
    Ok((ContentHash(hasher.finalize().into()), length))
}

/// Which side of a copy failed: they are mended in different places.
#[derive(Debug)]
pub(super) enum CopyError {
    /// The original could not be read.
    Reading(io::Error),
    /// The copy could not be written.
    Writing(io::Error),
}
