//! A fleet behind a real host, in good days and bad.
#![allow(
    clippy::unwrap_used,
    reason = "tests; clippy.toml's allowance does not reach helpers in test crates"
)]

mod bad_input;
mod clients;
mod crowd;
mod dialects;
mod engine;
mod error_bodies;
mod failing;
mod fleet;
mod keys;
mod manager;
mod models;
mod python_faults;
mod stopping;
