//! The stable ABI behind the traits.
//!
//! Authors never see it: [`export_plugin!`](crate::export_plugin) puts it around their types. It is public for
//! hosts, for tools, and for whoever writes a plugin in a way we did not think of.

#![allow(unsafe_code)] // here and in the host's loader only; each block says why it is sound

pub mod client;
pub mod component;
pub mod cpu;
pub mod error;
pub mod export;
pub mod raw;
pub mod shared;
pub mod version;
pub mod wire;

#[cfg(test)]
mod tests;

pub use abi_stable;
pub use async_ffi;
