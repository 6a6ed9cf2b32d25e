//! From a file to a running plugin.

pub mod driver;
