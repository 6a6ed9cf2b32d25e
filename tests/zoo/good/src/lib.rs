//! A well-behaved plugin, small enough to read at a glance: a hub and a provider that do what a manifest can
//! say and nothing else. The test suite loads it where the plugin is not what is being tested.

mod hub;
mod provider;

pub use hub::EchoHub;
pub use provider::EchoProvider;

plugin_api::export_plugin! {
    manifest: "../manifest.toml",
    hub: EchoHub,
    provider: EchoProvider,
}
