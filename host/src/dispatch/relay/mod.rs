//! Passing an instance's answer on: judged until its first meaningful frame, untouched after it.
//!
//! The rules come from the provider's manifest, so this code knows framings and places in JSON, and no dialect.

mod frames;
mod hold;
mod judge;
mod rename;
mod stream;
mod timer;

pub use hold::{HoldError, Holding, hold};
pub use judge::{Judge, Verdict};
pub use rename::Renamer;
pub(super) use stream::stopping;
pub use stream::{RelayBody, RelayEnd};
pub use timer::{Expired, IdleTimer};

#[cfg(test)]
mod tests;
