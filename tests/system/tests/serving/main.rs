//! A fleet behind a real host, in good days and bad.
#![allow(
    clippy::unwrap_used,
    reason = "tests; clippy.toml's allowance does not reach helpers in test crates"
)]

mod bad_input;
mod clients;
mod engine;
mod failing;
mod fleet;
mod manager;
mod python_faults;
mod stopping;
