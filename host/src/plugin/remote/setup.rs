//! Building a component from a library's root module.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use plugin_api::Error;
use plugin_api::abi::abi_stable::std_types::{RErr, ROk};
use plugin_api::abi::client::{Bridge, Client, Grace};
use plugin_api::abi::raw::PluginMod_Ref;
use plugin_api::abi::wire::create::CreateMessage;
use plugin_api::abi::wire::to_json;
use plugin_api::host::Services;
use serde_json::Value;
use tokio::runtime::Handle;
use tracing::level_filters::LevelFilter;

use super::log::HostLog;

/// What a component is built with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The plugin's id.
    pub plugin: String,
    /// The component's name in `plugins.toml`.
    pub name: String,
    /// Its `config = { ... }`.
    pub config: Value,
    /// Worker threads of its runtime.
    pub workers: usize,
    /// How long its work may take to stop by itself.
    pub grace: Duration,
    /// Where the host's services run, and where the grace is waited for.
    pub runtime: Handle,
}

/// A built component: the way to it, and its way back.
pub(super) struct Built {
    pub(super) client: Client,
    pub(super) bridge: Bridge,
    pub(super) grace: Duration,
}

impl Setup {
    /// Builds a component. Runs the author's constructor: called on a thread that the host can spare.
    pub(super) fn build(
        self,
        module: PluginMod_Ref,
        component: &str,
        services: Arc<dyn Services>,
    ) -> Result<Built, Error> {
        let message = CreateMessage {
            name: self.name.clone(),
            config: self.config,
            workers: self.workers,
            log_level: Some(LevelFilter::current().to_string()),
        };
        let message = to_json("a component's configuration", &message)?;
        let panics = Arc::new(AtomicU64::new(0));
        let log = Arc::new(HostLog::new(self.plugin, self.name));
        let bridge = Bridge::new(services, log, self.runtime.clone(), panics.clone());
        let created = (module.create())(component.into(), message.as_slice().into(), bridge.raw());
        match created {
            ROk(raw) => {
                let grace = Grace {
                    period: self.grace,
                    runtime: self.runtime,
                };
                Ok(Built {
                    client: Client::new(raw, grace, panics),
                    bridge,
                    grace: self.grace,
                })
            }
            RErr(error) => {
                bridge.close();
                Err(error.into())
            }
        }
    }
}

impl Built {
    /// Ends the component; afterwards the host serves it no more.
    pub(super) async fn shutdown(&self) {
        self.client.shutdown(self.grace).await;
        self.bridge.close();
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        self.bridge.close();
    }
}
