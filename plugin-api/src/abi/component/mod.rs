//! The plugin's side: a component behind the shims.
//!
//! A component is what crosses. It owns the runtime on which the author's code runs, numbers the calls in flight so
//! that they can be cancelled, and turns every panic into an error. What an operation means is up to
//! `Serve`, of which there is one for hubs and one for providers.

mod calls;
mod create;
mod entered;
pub(crate) mod hook;
mod hub;
pub(crate) mod identity;
mod provider;
mod runtime;
pub(crate) mod serve;
mod services;
mod shim;
pub mod trace;

#[cfg(any(test, feature = "testing"))]
pub(crate) use create::{Home, create_hub_in, create_provider_in};
pub use create::{create_hub, create_provider};
