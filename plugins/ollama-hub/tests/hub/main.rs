//! The hub against servers that behave, and servers that do not.

#![allow(clippy::unwrap_used)] // clippy knows tests, not what they share

mod discovery;
mod manifest;
mod models;
mod probe;
mod process;
mod support;
