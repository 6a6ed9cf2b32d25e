//! The provider against real runners and false ones.

#![allow(clippy::unwrap_used)] // clippy knows tests, not what they share

mod manifest;
