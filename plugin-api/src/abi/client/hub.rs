//! A hub across the boundary, as ordinary methods.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde_json::Value;

use super::Client;
use crate::abi::wire::hub::{self as ops, Control, ControlItem, Prepare};
use crate::abi::wire::{from_json, to_json, unreadable};
use crate::contract::instance::{Capability, InstanceSettings};
use crate::contract::probe::Probe;
use crate::{Context, Error, ResourceInstance};

/// A hub across the boundary. Each method is the one of [`Hub`](crate::Hub); dropping a future cancels politely.
#[derive(Debug, Clone)]
pub struct HubClient(pub Client);

impl HubClient {
    /// See [`Hub::adopt`](crate::Hub::adopt).
    ///
    /// # Errors
    /// The hub's own.
    pub fn adopt(&self, settings: &InstanceSettings) -> Result<ResourceInstance, Error> {
        let answer = self
            .0
            .query(ops::ADOPT, &to_json("an instance's settings", settings)?)?;
        from_json("an instance", &answer)
    }

    /// See [`Hub::discover`](crate::Hub::discover).
    ///
    /// # Errors
    /// The hub's own.
    pub async fn discover(&self, context: &Context) -> Result<Vec<ResourceInstance>, Error> {
        self.0.call_json(ops::DISCOVER, context, &()).await
    }

    /// See [`Hub::probe`](crate::Hub::probe).
    ///
    /// # Errors
    /// The hub's own: the instance is not well.
    pub async fn probe(&self, context: &Context, instance: &ResourceInstance) -> Result<Probe, Error> {
        self.0.call_json(ops::PROBE, context, instance).await
    }

    /// See [`Hub::refresh`](crate::Hub::refresh).
    ///
    /// # Errors
    /// The hub's own.
    pub async fn refresh(
        &self,
        context: &Context,
        instance: &ResourceInstance,
    ) -> Result<Option<Vec<Capability>>, Error> {
        self.0.call_json(ops::REFRESH, context, instance).await
    }

    /// See [`Hub::prepare`](crate::Hub::prepare).
    ///
    /// # Errors
    /// The hub's own.
    pub async fn prepare(
        &self,
        context: &Context,
        instance: &ResourceInstance,
        capability: String,
        hint: Option<Value>,
    ) -> Result<(), Error> {
        let message = Prepare {
            instance,
            capability,
            hint,
        };
        self.0.call_json(ops::PREPARE, context, &message).await
    }

    /// See [`Hub::start`](crate::Hub::start).
    ///
    /// # Errors
    /// The hub's own.
    pub async fn start(&self, context: &Context, specification: &Value) -> Result<ResourceInstance, Error> {
        self.0.call_json(ops::START, context, specification).await
    }

    /// See [`Hub::stop`](crate::Hub::stop).
    ///
    /// # Errors
    /// The hub's own.
    pub async fn stop(&self, context: &Context, instance: &ResourceInstance) -> Result<(), Error> {
        self.0.call_json(ops::STOP, context, instance).await
    }

    /// See [`Hub::reset`](crate::Hub::reset).
    ///
    /// # Errors
    /// The hub's own.
    pub async fn reset(&self, context: &Context, instance: &ResourceInstance) -> Result<(), Error> {
        self.0.call_json(ops::RESET, context, instance).await
    }

    /// See [`Hub::control`](crate::Hub::control): progress as it comes, the result last. The verb begins when the
    /// stream is first polled, and a failure to begin is the stream's only item.
    pub fn control(
        &self,
        context: &Context,
        verb: String,
        arguments: Value,
        instance: Option<&ResourceInstance>,
    ) -> BoxStream<'static, Result<ControlItem, Error>> {
        let message = Control {
            verb,
            arguments,
            instance,
        };
        let payload = to_json("a verb", &message);
        let client = self.0.clone();
        let context = context.clone();
        let opened = async move {
            let (_, stream) = client.open(ops::CONTROL, &context, payload?).await?;
            stream.ok_or_else(|| unreadable("a verb's answer", "a stream was expected"))
        };
        futures_util::stream::once(opened)
            .flat_map(|opened| match opened {
                Ok(stream) => stream
                    .map(|item| item.and_then(|json| from_json("an item of a verb's answer", &json)))
                    .boxed(),
                Err(error) => futures_util::stream::once(async move { Err(error) }).boxed(),
            })
            .boxed()
    }
}
