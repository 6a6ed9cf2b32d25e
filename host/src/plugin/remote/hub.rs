//! A hub behind the stable ABI.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use plugin_api::abi::client::HubClient;
use plugin_api::abi::raw::PluginMod_Ref;
use plugin_api::abi::wire::hub::ControlItem as WireItem;
use plugin_api::contract::instance::{Capability, InstanceSettings};
use plugin_api::contract::probe::Probe;
use plugin_api::host::Services;
use plugin_api::manifest::HubManifest;
use plugin_api::{Context, Error, ResourceInstance};
use serde_json::Value;

use super::setup::{Built, Setup};
use crate::plugin::driver::{ControlItem, HubDriver};

/// A hub behind the stable ABI.
pub struct AbiHub {
    manifest: HubManifest,
    client: HubClient,
    built: Built,
}

impl AbiHub {
    /// Builds the hub of a library. Runs the author's constructor: call it on a thread that the host can spare.
    ///
    /// # Errors
    /// The hub's own, or that it panicked.
    pub fn build(
        module: PluginMod_Ref,
        manifest: HubManifest,
        setup: Setup,
        services: Arc<dyn Services>,
    ) -> Result<Self, Error> {
        let built = setup.build(module, "hub", services)?;
        Ok(Self {
            manifest,
            client: HubClient(built.client.clone()),
            built,
        })
    }
}

impl HubDriver for AbiHub {
    fn manifest(&self) -> &HubManifest {
        &self.manifest
    }

    fn adopt(&self, settings: InstanceSettings) -> BoxFuture<'_, Result<ResourceInstance, Error>> {
        Box::pin(async move { self.client.adopt(&settings) })
    }

    fn discover(&self, context: Context) -> BoxFuture<'_, Result<Vec<ResourceInstance>, Error>> {
        Box::pin(async move { self.client.discover(&context).await })
    }

    fn probe(
        &self,
        context: Context,
        instance: Arc<ResourceInstance>,
    ) -> BoxFuture<'_, Result<Probe, Error>> {
        Box::pin(async move { self.client.probe(&context, &instance).await })
    }

    fn refresh(
        &self,
        context: Context,
        instance: Arc<ResourceInstance>,
    ) -> BoxFuture<'_, Result<Option<Vec<Capability>>, Error>> {
        Box::pin(async move { self.client.refresh(&context, &instance).await })
    }

    fn prepare(
        &self,
        context: Context,
        instance: Arc<ResourceInstance>,
        capability: String,
        hint: Option<Value>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.client.prepare(&context, &instance, capability, hint).await })
    }

    fn start(
        &self,
        context: Context,
        specification: Value,
    ) -> BoxFuture<'_, Result<ResourceInstance, Error>> {
        Box::pin(async move { self.client.start(&context, &specification).await })
    }

    fn stop(&self, context: Context, instance: Arc<ResourceInstance>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.client.stop(&context, &instance).await })
    }

    fn reset(&self, context: Context, instance: Arc<ResourceInstance>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.client.reset(&context, &instance).await })
    }

    fn control(
        &self,
        context: Context,
        verb: String,
        arguments: Value,
        instance: Option<Arc<ResourceInstance>>,
    ) -> BoxStream<'static, Result<ControlItem, Error>> {
        self.client
            .control(&context, verb, arguments, instance.as_deref())
            .map(|item| {
                item.map(|item| match item {
                    WireItem::Progress(value) => ControlItem::Progress(value),
                    WireItem::Result(value) => ControlItem::Result(value),
                })
            })
            .boxed()
    }

    fn panics(&self) -> u64 {
        self.built.client.panics()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.built.shutdown())
    }
}
