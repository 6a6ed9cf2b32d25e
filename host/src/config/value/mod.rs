//! How single values are spelled: durations, sizes, addresses, and tables whose keys are names.

pub mod duration;
pub mod format;
pub mod named;
pub mod size;

pub use format::{AddressText, DurationText, PositiveDuration, SizeText};
pub use named::Named;
