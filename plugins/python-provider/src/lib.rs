//! Python for users: code that runs in warm boxes of containers or processes, and what comes of it.
//!
//! A request names a level of trust, or a profile that the operator has described. The provider turns that into a
//! [workload](plugin_api::contract::workload::Workload), leases a box of it from the hub in the level's role, and
//! speaks with the runner in it: a Python program of its own (`runner/`), which is process 1 of the box, forks for each
//! run, and proves the box clean after it.

mod config;
mod connections;
mod files;
mod level;
mod methods;
mod params;
mod plan;
mod profile;
mod provider;
mod report;
mod run;
pub mod runner;
mod sessions;

pub use config::{Config, OnOutput, SessionSettings, Settings};
pub use level::Level;
pub use profile::{Profile, Profiles, Table};
pub use provider::PythonProvider;

plugin_api::export_plugin! {
    manifest: "../manifest.toml",
    provider: PythonProvider,
}
