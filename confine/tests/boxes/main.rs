//! Real programs in real boxes, each trying what it must not be able to do; as root, and as a user without rights.

#![allow(clippy::unwrap_used)] // clippy knows tests, not what they share

mod escape;
mod files;
mod life;
mod network;
mod resources;
mod supervisor;
mod support;
