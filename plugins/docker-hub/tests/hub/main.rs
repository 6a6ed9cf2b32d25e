//! The hub against an engine that is none: it answers what the tests script, and fails in every way.

#![allow(clippy::unwrap_used)] // clippy knows tests, not what they share

mod fake;
mod image;
mod manifest;
mod probe;
mod start;
mod sweep;
