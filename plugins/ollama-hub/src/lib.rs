//! Ollama servers as resources.
//!
//! What is special about them is here and nothing else is: how to find them, how to ask them which models they have on
//! disk and in memory, how to have a model pulled, loaded, copied or deleted, and how to run a local
//! `ollama serve`. States, health, breaking, balancing, queueing and fan-out over instances are the host's.

mod address;
mod api;
mod config;
mod discovery;
mod error;
mod features;
mod hub;
mod inventory;
mod process;
mod verbs;

pub use config::{Config, InstanceConfig, StartConfig};
pub use error::OllamaError;
pub use hub::OllamaHub;
pub use verbs::arguments;

plugin_api::export_plugin! { manifest: "../manifest.toml", hub: OllamaHub }
