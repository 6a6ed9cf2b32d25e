//! The types and state machines that the host, the hubs and the providers agree on.
//!
//! Plain data and pure functions: nothing here does I/O, reads a clock or needs a runtime.

pub mod balance;
pub mod breaker;
pub mod error;
pub mod health;
pub mod instance;
pub mod metrics;
pub mod outcome;
pub mod probe;
pub mod reference;
pub mod requirement;
pub mod time;
pub mod workload;
