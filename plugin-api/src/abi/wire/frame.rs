//! A JSON head with raw bytes behind it: four bytes of length (little endian), the head, the rest.
//!
//! Bodies are prompts, images and files; as base64 in the JSON they would grow by a third and be copied twice.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{from_json, to_json, unreadable};
use crate::Error;

const PREFIX: usize = 4;

/// Head and tail in one message.
///
/// # Errors
/// The head cannot be written as JSON, or is longer than 4 GiB.
pub fn encode(what: &str, head: &impl Serialize, tail: &[&[u8]]) -> Result<Vec<u8>, Error> {
    let head = to_json(what, head)?;
    let length = u32::try_from(head.len()).map_err(|_| unreadable(what, "a head longer than 4 GiB"))?;
    let size = PREFIX + head.len() + tail.iter().map(|part| part.len()).sum::<usize>();
    let mut message = Vec::with_capacity(size);
    message.extend_from_slice(&length.to_le_bytes());
    message.extend_from_slice(&head);
    for part in tail {
        message.extend_from_slice(part);
    }
    Ok(message)
}

/// The head, and the tail without a copy.
///
/// # Errors
/// The message is cut short, or its head is not what was expected.
pub fn decode<T: DeserializeOwned>(what: &str, message: &Bytes) -> Result<(T, Bytes), Error> {
    let (prefix, rest) = message
        .split_first_chunk::<PREFIX>()
        .ok_or_else(|| unreadable(what, "cut short"))?;
    let length = u32::from_le_bytes(*prefix) as usize;
    let head = rest.get(..length).ok_or_else(|| unreadable(what, "cut short"))?;
    Ok((from_json(what, head)?, message.slice(PREFIX + length..)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{decode, encode};

    proptest! {
        #[test]
        fn a_frame_gives_back_what_was_put_in(
            head in proptest::collection::vec(".{0,8}", 0..4),
            tail: Vec<u8>,
        ) {
            let message = Bytes::from(encode("a frame", &head, &[&tail]).unwrap());
            let (back, rest): (Vec<String>, Bytes) = decode("a frame", &message).unwrap();
            prop_assert_eq!(back, head);
            prop_assert_eq!(rest, tail);
        }

        #[test]
        fn no_bytes_make_it_panic(noise: Vec<u8>) {
            let _ = decode::<Vec<String>>("noise", &Bytes::from(noise));
        }
    }

    #[test]
    fn a_frame_cut_short_is_an_error_that_says_so() {
        let whole = encode("a frame", &"head", &[b"tail"]).unwrap();
        for cut in 0..9 {
            let error = decode::<String>("a frame", &Bytes::copy_from_slice(&whole[..cut])).unwrap_err();
            assert!(error.message.contains("cut short"), "{cut}: {error}");
        }
    }
}
