//! The hub with real processes in real boxes.

#![allow(clippy::unwrap_used)] // clippy knows tests, not what they share

mod leaving;
mod manifest;
mod starting;
mod support;
