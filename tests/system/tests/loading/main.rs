//! From a file to a running plugin, and every way in which that is refused.

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
