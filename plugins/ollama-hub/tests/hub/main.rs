//! The hub against servers that behave, and servers that do not.

mod discovery;
mod manifest;
mod models;
mod probe;
mod process;
mod support;
