//! Local processes as resources: a program in a box that the operating system itself builds.
//!
//! What is special about them is here and nothing else is: what a workload means on this machine, control groups and
//! identities for it, the launcher that locks it down, and knowing at once that it has ended. Warm pools, queues and
//! leases are the host's; what is said to the process over its control channel is the provider's.

mod config;
mod error;
mod hub;
mod identities;
mod plan;
mod process;
mod processes;
mod room;
mod verbs;

pub use config::{Config, Enforcement, LimitsConfig};
pub use error::ProcessError;
pub use hub::ProcessHub;
pub use verbs::arguments;

plugin_api::export_plugin! { manifest: "../manifest.toml", hub: ProcessHub }
