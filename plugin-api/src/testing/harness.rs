//! Runs a component in the test's own process, through the shims of the stable ABI.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::runtime::Handle;

use super::host::TestHost;
use crate::abi::client::{Bridge, Client, Grace, HubClient, ProviderClient};
use crate::abi::component::{Home, create_hub_in, create_provider_in};
use crate::abi::raw::{RawHostBox, RawPluginBox};
use crate::abi::wire::create::CreateMessage;
use crate::abi::wire::to_json;
use crate::{Error, Hub, Provider};

/// How components are run. By default on the test's runtime, so that its paused clock is theirs too.
#[derive(Debug, Clone)]
pub struct Harness {
    host: TestHost,
    name: String,
    workers: Option<usize>,
    grace: Duration,
    log_level: Option<String>,
}

impl Default for Harness {
    fn default() -> Self {
        Self {
            host: TestHost::new(),
            name: "test".to_owned(),
            workers: None,
            grace: Duration::from_millis(250),
            log_level: None,
        }
    }
}

impl Harness {
    /// A harness with a host that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this host.
    pub fn host(mut self, host: &TestHost) -> Self {
        self.host = host.clone();
        self
    }

    /// Under this name in `plugins.toml`.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// On a runtime of its own with so many workers, as in service.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// With this grace between the word and the drop.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// With the tracing bridge open up to this level, for tests that have put
    /// [`Bridge`](crate::abi::component::trace::Bridge) into their subscriber. Otherwise events go to the test's own.
    pub fn log_level(mut self, level: &str) -> Self {
        self.log_level = Some(level.to_owned());
        self
    }

    /// Builds a hub. Called within a tokio runtime.
    ///
    /// # Errors
    /// The hub's own, or that it panicked.
    pub fn hub<H: Hub>(&self, config: &impl Serialize) -> Result<HubHarness, Error> {
        let running = self.run(config, create_hub_in::<H>)?;
        Ok(HubHarness {
            client: HubClient(running.client.clone()),
            running,
        })
    }

    /// Builds a provider. Called within a tokio runtime.
    ///
    /// # Errors
    /// The provider's own, or that it panicked.
    pub fn provider<P: Provider>(&self, config: &impl Serialize) -> Result<ProviderHarness, Error> {
        let running = self.run(config, create_provider_in::<P>)?;
        Ok(ProviderHarness {
            client: ProviderClient(running.client.clone()),
            running,
        })
    }

    fn run(
        &self,
        config: &impl Serialize,
        create: impl FnOnce(&[u8], RawHostBox, Home) -> Result<RawPluginBox, Error>,
    ) -> Result<Running, Error> {
        let message = CreateMessage {
            name: self.name.clone(),
            config: serde_json::to_value(config)?,
            workers: self.workers.unwrap_or(1),
            log_level: self.log_level.clone(),
        };
        let runtime = Handle::current();
        let panics = Arc::new(AtomicU64::new(0));
        let services = Arc::new(self.host.clone());
        let bridge = Bridge::new(services.clone(), services, runtime.clone(), panics.clone());
        let borrowed = self.workers.is_none().then(|| runtime.clone());
        let raw = create(
            &to_json("a configuration", &message)?,
            bridge.raw(),
            Home::Program(borrowed),
        )?;
        let grace = Grace {
            period: self.grace,
            runtime,
        };
        Ok(Running {
            client: Client::new(raw, grace, panics),
            bridge,
            host: self.host.clone(),
            grace: self.grace,
        })
    }
}

/// A component that runs, and the host it runs on.
#[derive(Debug)]
struct Running {
    client: Client,
    bridge: Bridge,
    host: TestHost,
    grace: Duration,
}

impl Running {
    async fn shutdown(&self) {
        self.client.shutdown(self.grace).await;
        self.bridge.close();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.bridge.close();
    }
}

macro_rules! harness {
    ($(#[$doc:meta])* $name:ident, $client:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            client: $client,
            running: Running,
        }

        impl $name {
            /// The host it runs on.
            pub fn host(&self) -> &TestHost {
                &self.running.host
            }

            /// The boundary it is behind, for messages that the typed methods do not send.
            pub fn raw(&self) -> &Client {
                &self.running.client
            }

            /// How many times it has panicked.
            pub fn panics(&self) -> u64 {
                self.running.client.panics()
            }

            /// What it says of itself: `{"panics", "calls", "tasks"}`.
            pub fn status(&self) -> Value {
                self.running.client.status()
            }

            /// How many calls are in flight.
            pub fn calls(&self) -> u64 {
                self.status()["calls"].as_u64().unwrap_or(u64::MAX)
            }

            /// Ends it, as the host does at its own end.
            pub async fn shutdown(&self) {
                self.running.shutdown().await;
            }
        }

        impl Deref for $name {
            type Target = $client;

            fn deref(&self) -> &$client {
                &self.client
            }
        }
    };
}

harness! {
    /// A hub behind the shims. Its methods are those of [`HubClient`].
    HubHarness, HubClient
}
harness! {
    /// A provider behind the shims. Its methods are those of [`ProviderClient`].
    ProviderHarness, ProviderClient
}
