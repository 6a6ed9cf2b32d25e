//! The provider against real runners and false ones.

#![allow(clippy::unwrap_used)] // clippy knows tests, not what they share

mod artefacts;
mod clean;
mod levels;
mod lost;
mod manifest;
mod outcomes;
mod output;
mod protocol;
mod results;
mod sessions;
mod stream;
mod support;
mod time;
