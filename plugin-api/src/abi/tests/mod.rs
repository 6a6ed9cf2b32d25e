//! The boundary, tried from both ends: whatever a plugin does, the host gets a value.

mod cancellation;
mod errors;
mod fixture;
mod log;
mod panics;
mod services;
mod shutdown;
mod streams;
