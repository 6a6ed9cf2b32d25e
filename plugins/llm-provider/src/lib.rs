//! Language models for users: the `llm/*` methods, the Ollama surface and the OpenAI surface.
//!
//! On a surface, requests are forwarded: the host chooses an instance that speaks the client's dialect, and the
//! bytes pass untouched. Only lists, which are about the whole fleet, and the methods, which work on either
//! dialect, are answered here.

mod config;
mod error;
mod keep_alive;
mod methods;
mod provider;
mod surface;

pub use config::Config;
pub use provider::LlmProvider;

plugin_api::export_plugin! {
    manifest: "../manifest.toml",
    provider: LlmProvider,
}
