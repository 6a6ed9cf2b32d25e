//! A hub that is replaced when it keeps panicking.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use plugin_api::contract::instance::{Capability, InstanceSettings};
use plugin_api::contract::probe::Probe;
use plugin_api::manifest::HubManifest;
use plugin_api::{Context, Error, ResourceInstance};
use serde_json::Value;

use super::{Build, Component, Keeper};
use crate::plugin::driver::{ControlItem, HubDriver};
use crate::plugin::remote::AbiHub;

impl Component for AbiHub {
    fn panics(&self) -> u64 {
        HubDriver::panics(self)
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        HubDriver::shutdown(self)
    }
}

/// A hub that is replaced when it keeps panicking.
pub(in crate::plugin) struct KeptHub {
    manifest: HubManifest,
    keeper: Arc<Keeper<AbiHub>>,
}

impl KeptHub {
    pub(in crate::plugin) fn new(plugin: String, name: String, first: AbiHub, build: Build<AbiHub>) -> Self {
        Self {
            manifest: first.manifest().clone(),
            keeper: Keeper::new(plugin, name, first, build),
        }
    }
}

impl HubDriver for KeptHub {
    fn manifest(&self) -> &HubManifest {
        &self.manifest
    }

    fn adopt(&self, settings: InstanceSettings) -> BoxFuture<'_, Result<ResourceInstance, Error>> {
        Box::pin(async move { self.keeper.call()?.driver().adopt(settings).await })
    }

    fn discover(&self, context: Context) -> BoxFuture<'_, Result<Vec<ResourceInstance>, Error>> {
        Box::pin(async move { self.keeper.call()?.driver().discover(context).await })
    }

    fn probe(
        &self,
        context: Context,
        instance: Arc<ResourceInstance>,
    ) -> BoxFuture<'_, Result<Probe, Error>> {
        Box::pin(async move { self.keeper.call()?.driver().probe(context, instance).await })
    }

    fn refresh(
        &self,
        context: Context,
        instance: Arc<ResourceInstance>,
    ) -> BoxFuture<'_, Result<Option<Vec<Capability>>, Error>> {
        Box::pin(async move { self.keeper.call()?.driver().refresh(context, instance).await })
    }

    fn prepare(
        &self,
        context: Context,
        instance: Arc<ResourceInstance>,
        capability: String,
        hint: Option<Value>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let call = self.keeper.call()?;
            call.driver().prepare(context, instance, capability, hint).await
        })
    }

    fn start(
        &self,
        context: Context,
        specification: Value,
    ) -> BoxFuture<'_, Result<ResourceInstance, Error>> {
        Box::pin(async move { self.keeper.call()?.driver().start(context, specification).await })
    }

    fn stop(&self, context: Context, instance: Arc<ResourceInstance>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.keeper.call()?.driver().stop(context, instance).await })
    }

    fn reset(&self, context: Context, instance: Arc<ResourceInstance>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.keeper.call()?.driver().reset(context, instance).await })
    }

    fn control(
        &self,
        context: Context,
        verb: String,
        arguments: Value,
        instance: Option<Arc<ResourceInstance>>,
    ) -> BoxStream<'static, Result<ControlItem, Error>> {
        match self.keeper.call() {
            Ok(call) => {
                let items = call.driver().control(context, verb, arguments, instance);
                items.map(move |item| (item, &call).0).boxed()
            }
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn panics(&self) -> u64 {
        self.keeper.panics()
    }

    fn quarantine(&self) -> Option<String> {
        self.keeper.quarantine()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.keeper.shutdown())
    }
}
