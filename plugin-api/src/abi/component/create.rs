//! Building a component: its runtime, its line to the host, its log, and then the author's type.

use std::sync::Arc;

use abi_stable::sabi_trait::TD_Opaque;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use super::hub::HubServe;
use super::identity::Identity;
use super::provider::ProviderServe;
use super::runtime::Executor;
use super::serve::Serve;
use super::services::RemoteServices;
use super::shim::Component;
use super::{hook, trace};
use crate::abi::raw::{RawHostBox, RawPlugin_TO, RawPluginBox};
use crate::abi::wire::create::CreateMessage;
use crate::abi::wire::from_json;
use crate::{Error, ErrorCode, Fault, Host, Hub, Provider};

/// Where a component is built.
pub(crate) enum Home {
    /// In a library of its own, whose subscriber and stray threads are its as well.
    Library,
    /// In a program that it is linked into, which has its own; on this runtime if there is one.
    #[cfg_attr(
        not(any(test, feature = "testing")),
        expect(dead_code, reason = "for tests of plugins")
    )]
    Program(Option<Handle>),
}

/// Builds a hub on a runtime of its own.
///
/// # Errors
/// What [`Hub::new`] says, a configuration that does not fit its type, or a panic.
pub fn create_hub<H: Hub>(message: &[u8], host: RawHostBox) -> Result<RawPluginBox, Error> {
    create_hub_in::<H>(message, host, Home::Library)
}

/// Builds a provider on a runtime of its own.
///
/// # Errors
/// What [`Provider::new`] says, a configuration that does not fit its type, or a panic.
pub fn create_provider<P: Provider>(message: &[u8], host: RawHostBox) -> Result<RawPluginBox, Error> {
    create_provider_in::<P>(message, host, Home::Library)
}

/// Builds a hub in this home.
pub(crate) fn create_hub_in<H: Hub>(
    message: &[u8],
    host: RawHostBox,
    home: Home,
) -> Result<RawPluginBox, Error> {
    create(message, host, home, |config, host| {
        let hub = H::new(config, host).map_err(Into::into)?;
        Ok(HubServe(Arc::new(hub)))
    })
}

/// Builds a provider in this home.
pub(crate) fn create_provider_in<P: Provider>(
    message: &[u8],
    host: RawHostBox,
    home: Home,
) -> Result<RawPluginBox, Error> {
    create(message, host, home, |config, host| {
        let provider = P::new(config, host).map_err(Into::into)?;
        Ok(ProviderServe(Arc::new(provider)))
    })
}

fn create<C: DeserializeOwned, S: Serve>(
    message: &[u8],
    host: RawHostBox,
    home: Home,
    build: impl FnOnce(C, Host) -> Result<S, Error>,
) -> Result<RawPluginBox, Error> {
    let message: CreateMessage = from_json("the message to build a component", message)?;
    let level = trace::level(message.log_level.as_deref())?;
    let identity = Arc::new(Identity::new(message.name, level, host));
    hook::install();
    let executor = match home {
        Home::Library => {
            identity.adopt_strays();
            if message.log_level.is_some() {
                trace::install(level);
            }
            Executor::own(&identity, message.workers)?
        }
        Home::Program(None) => Executor::own(&identity, message.workers)?,
        Home::Program(Some(runtime)) => Executor::borrowed(runtime),
    };
    let serve = {
        let _context = executor.handle().enter();
        identity.contain("new", || {
            let config = serde_json::from_value(message.config).map_err(bad_config)?;
            build(config, Host::new(Arc::new(RemoteServices::new(identity.clone()))))
        })?
    };
    Ok(RawPlugin_TO::from_value(
        Component::new(identity, executor, Arc::new(serve)),
        TD_Opaque,
    ))
}

fn bad_config(error: serde_json::Error) -> Error {
    Error::new(
        ErrorCode::CONFIGURATION,
        Fault::Client,
        format!("its config does not fit: {error}"),
    )
    .hint("correct its `config` in plugins.toml")
}
