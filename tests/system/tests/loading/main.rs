//! From a file to a running plugin, and every way in which that is refused.
#![allow(
    clippy::unwrap_used,
    reason = "tests; clippy.toml's allowance does not reach helpers in test crates"
)]

mod catalogue;
mod constructing;
mod crashing;
mod elf;
mod inspecting;
mod logging;
mod looks;
mod manifest;
mod matrix;
mod misbehaving;
mod opening;
mod services;
mod staging;
mod symbols;
mod yard;
