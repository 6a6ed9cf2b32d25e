//! From a file to a running plugin, and every way in which that is refused.

mod catalogue;
mod elf;
mod inspecting;
mod looks;
mod manifest;
mod matrix;
mod opening;
mod staging;
mod yard;
