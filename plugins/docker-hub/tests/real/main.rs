//! The hub against a real engine: boxes as code in them sees them, and their ends.
//!
//! Skipped, with a word on it, where no engine answers; under `CI=true` that is a failure.

#![allow(clippy::unwrap_used)] // clippy knows tests, not what they share

mod build;
mod inside;
mod life;
mod support;
mod tls;
mod usage;
mod verbs;
