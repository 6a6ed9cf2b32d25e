//! What both sides of the boundary do alike: contain panics, run work on a runtime of their own, pass on streams.

pub mod bytes;
pub mod contain;
pub mod stream;
pub mod task;
