//! Components behind the stable ABI: the [driver](super::driver) traits over what a library exports.
//!
//! Messages, cancellation and the containment of panics are `plugin_api::abi`'s, where the harness for plugin tests
//! uses them too. What is added here is the host's own: its log, its runtime, and the end of a component.

mod hub;
mod log;
mod provider;
mod setup;

pub use hub::AbiHub;
pub use provider::AbiProvider;
pub use setup::Setup;
