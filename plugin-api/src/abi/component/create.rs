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

/// Builds a hub on a runtime of its own.
///
/// # Errors
/// What [`Hub::new`] says, a configuration that does not fit its type, or a panic.
pub fn create_hub<H: Hub>(message: &[u8], host: RawHostBox) -> Result<RawPluginBox, Error> {
    create_hub_on::<H>(message, host, None)
}

/// Builds a provider on a runtime of its own.
///
/// # Errors
/// What [`Provider::new`] says, a configuration that does not fit its type, or a panic.
pub fn create_provider<P: Provider>(message: &[u8], host: RawHostBox) -> Result<RawPluginBox, Error> {
    create_provider_on::<P>(message, host, None)
}

/// Builds a hub, on this runtime if there is one.
fn create_hub_on<H: Hub>(
    message: &[u8],
    host: RawHostBox,
    runtime: Option<Handle>,
) -> Result<RawPluginBox, Error> {
    create(message, host, runtime, |config, host| {
        let hub = H::new(config, host).map_err(Into::into)?;
        Ok(HubServe(Arc::new(hub)))
    })
}

/// Builds a provider, on this runtime if there is one.
fn create_provider_on<P: Provider>(
    message: &[u8],
    host: RawHostBox,
    runtime: Option<Handle>,
) -> Result<RawPluginBox, Error> {
    create(message, host, runtime, |config, host| {
        let provider = P::new(config, host).map_err(Into::into)?;
        Ok(ProviderServe(Arc::new(provider)))
    })
}

fn create<C: DeserializeOwned, S: Serve>(
    message: &[u8],
    host: RawHostBox,
    runtime: Option<Handle>,
    build: impl FnOnce(C, Host) -> Result<S, Error>,
) -> Result<RawPluginBox, Error> {
    let message: CreateMessage = from_json("the message to build a component", message)?;
    let level = trace::level(message.log_level.as_deref())?;
    let identity = Arc::new(Identity::new(message.name, level, host));
    hook::install();
    if message.log_level.is_some() {
        // Only then is this copy of the library the plugin's own, and its subscriber ours to set.
        identity.adopt_strays();
        trace::install(level);
    }
    let executor = match runtime {
        Some(handle) => Executor::borrowed(handle),
        None => Executor::own(&identity, message.workers)?,
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
