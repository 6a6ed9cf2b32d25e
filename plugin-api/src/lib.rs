//! What a Gleitzeit plugin depends on, and nothing else.
//!
//! A plugin is one shared library with a [manifest](manifest::Manifest) and one or more components: a
//! [hub](hub::Hub), which owns resources of one kind, or a [provider](provider::Provider), which speaks a
//! protocol to users. Authors implement those traits with ordinary `async fn` and serde types; the stable
//! ABI, the runtime of each plugin, panic containment and the tracing bridge stay behind
//! `export_plugin!`.
//!
//! What every resource needs (health, circuit breaking, balancing, queueing, leases, metrics) is the host's.
//! Its types and pure state machines are in [`contract`], so that plugins and tests can use them alone.

pub mod abi;
pub mod context;
pub mod contract;
pub mod host;
#[cfg(feature = "http")]
pub mod http;
pub mod hub;
pub mod manifest;
pub mod provider;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use context::Context;
pub use contract::error::{Error, ErrorCode, Fault, Retry};
pub use contract::instance::ResourceInstance;
pub use host::Host;
pub use hub::Hub;
pub use provider::Provider;

/// A stream of byte chunks that a plugin hands to the host, or the host to a plugin.
///
/// Ends after the first `Err`. Dropping it cancels whatever produces it.
pub type ByteStream = futures_util::stream::BoxStream<'static, Result<bytes::Bytes, Error>>;

/// What `export_plugin!` expands to; not for people.
#[doc(hidden)]
pub mod __private {
    pub use crate::abi::component::{create_hub, create_provider};
    pub use crate::abi::export::{Export, header, join, length, manifest_parts, no_component, root};
    pub use crate::abi::raw::{RawHostBox, RawPluginBox};
    pub use abi_stable::library::{LibHeader, RootModuleResult};
}
