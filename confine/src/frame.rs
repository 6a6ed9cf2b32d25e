//! Frames: a length of four bytes, most significant first, and as much JSON.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No description is larger; a program that sends more is not one of ours.
const LARGEST: u32 = 4 << 20;

/// Writes one value.
///
/// # Errors
/// The other side is gone.
pub fn write(mut to: impl Write, value: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(value)?;
    let length = u32::try_from(body.len())
        .ok()
        .filter(|length| *length <= LARGEST)
        .ok_or_else(|| io::Error::other("a description of more than 4 MiB"))?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend(body);
    to.write_all(&frame)?;
    to.flush()
}

/// Reads one value, and not a byte more.
///
/// # Errors
/// The other side is gone, or writes something else.
pub(crate) fn read<T: DeserializeOwned>(mut from: impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > LARGEST {
        return Err(io::Error::other("a description of more than 4 MiB"));
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}
