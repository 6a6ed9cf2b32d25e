//! Containers as resources.
//!
//! Its instances are container engines; what it starts on them are boxes for code that nobody trusts. What is special
//! about either is here and nothing else is: how to reach an engine and what it can do, how to have it make a box that
//! is as strong as was asked for, and how to know that a box has ended. States, health, breaking, balancing, warm pools
//! and fan-out over engines are the host's.

mod config;
mod engine;
mod error;
mod hub;
mod image;
mod sandbox;
mod verbs;

pub use config::{Config, InstanceConfig};
pub use error::DockerError;
pub use hub::DockerHub;
pub use verbs::arguments;

plugin_api::export_plugin! { manifest: "../manifest.toml", hub: DockerHub }
