//! Untrusted code behind the front door: what it tries, what becomes of it, and that the next run knows nothing of it.
//!
//! Every case runs at both levels, in a container and as a confined process, and is written once. The letters and
//! numbers in their names are those of a list of attacks that is older than this code: A escapes, R resources, T time,
//! O output, F files, D disk, N network, P the runner, S state, L lifecycle; X is what the list had forgotten.
#![allow(
    clippy::unwrap_used,
    reason = "tests; clippy.toml's allowance does not reach helpers in test crates"
)]

#[macro_use]
mod python;

mod boxes;
mod disk;
mod escape;
mod escape_syscalls;
mod files;
mod foreign;
mod later;
mod lifecycle_boxes;
mod lifecycle_crowd;
mod lifecycle_end;
mod lifecycle_engine;
mod lifecycle_gate;
mod lifecycle_killed;
mod network;
mod network_named;
mod output;
mod output_values;
mod resources;
mod runner;
mod state;
mod survey;
mod time;
mod together;
mod waiting;
