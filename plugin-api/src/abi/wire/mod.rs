//! What travels as bytes: the shape of every message, in one place for both sides.
//!
//! A decision is on the path of every request, so its two messages are CBOR arrays read in place
//! ([`request`], [`decision`]). Everything else is JSON, and bodies travel raw behind it ([`frame`]), so nothing is
//! ever encoded as text that is not text. New fields are optional and at the end; unknown ones are ignored.

pub mod context;
pub mod create;
pub mod decision;
pub mod frame;
pub mod hub;
pub mod log;
pub mod provider;
pub mod request;
pub mod services;

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, ErrorCode, Fault};

/// A message that this side cannot read, most likely because the two speak different versions.
pub fn unreadable(what: &str, why: impl Display) -> Error {
    Error::new(
        ErrorCode::VERSION_MISMATCH,
        Fault::Plugin,
        format!("cannot read {what}: {why}"),
    )
    .hint("build the plugin against the version of the interface that the host states")
}

/// A value as JSON.
///
/// # Errors
/// A map in it has keys that are no strings.
pub fn to_json(what: &str, value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| {
        Error::new(
            ErrorCode::INTERNAL_ERROR,
            Fault::Plugin,
            format!("{what} cannot be written as JSON: {error}"),
        )
    })
}

/// A value from JSON.
///
/// # Errors
/// [`unreadable`].
pub fn from_json<T: DeserializeOwned>(what: &str, json: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(json).map_err(|error| unreadable(what, error))
}
