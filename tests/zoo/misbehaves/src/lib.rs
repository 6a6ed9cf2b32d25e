//! A plugin that panics or hangs wherever its configuration says: `trouble = { new = "panic", probe = "hang" }`.
//!
//! With it the suite shows, entry by entry, that a plugin's failure stays the plugin's.

mod hub;
mod provider;
mod trouble;

pub use hub::TroubledHub;
pub use provider::TroubledProvider;
pub use trouble::{Config, Trouble};

plugin_api::export_plugin! {
    manifest: "../manifest.toml",
    hub: TroubledHub,
    provider: TroubledProvider,
}
