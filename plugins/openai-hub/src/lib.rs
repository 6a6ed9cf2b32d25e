//! Any OpenAI-compatible server as a resource: vLLM, llama.cpp, LM Studio, SGLang, a cloud.
//!
//! All there is to such a hub is its URL, its key and the list of its models; everything else is the host's.

mod config;
mod error;
mod hub;
mod models;

pub use config::{Config, InstanceConfig};
pub use error::OpenaiError;
pub use hub::OpenaiHub;

plugin_api::export_plugin! { manifest: "../manifest.toml", hub: OpenaiHub }
