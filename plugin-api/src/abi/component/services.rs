//! The host's services, over the boundary.

use std::sync::Arc;

use abi_stable::std_types::{RErr, ROk, RVec};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::identity::Identity;
use crate::abi::shared::stream::ordinary;
use crate::abi::wire::services::{
    self as ops, Forward, Forwarded, Lost, MethodCall, Publish, Release, Variant,
};
use crate::abi::wire::{context, frame, from_json, to_json, unreadable};
use crate::contract::outcome::Outcome;
use crate::contract::requirement::Requirement;
use crate::host::{
    Binding, BoxFuture, Control, ForwardRequest, ForwardResponse, InstanceView, LeaseGrant, Secret, Services,
};
use crate::{ByteStream, Context, Error};

/// What stands behind the [`Host`](crate::Host) of a component that was built over the boundary.
pub(crate) struct RemoteServices {
    identity: Arc<Identity>,
}

impl RemoteServices {
    pub(crate) fn new(identity: Arc<Identity>) -> Self {
        Self { identity }
    }

    async fn call_bytes(&self, op: &str, context: &Context, payload: Vec<u8>) -> Result<RVec<u8>, Error> {
        let context = context::encode(context)?;
        let answer = self
            .identity
            .host()?
            .call(op.into(), context.as_slice().into(), payload.into());
        match answer.await {
            ROk(bytes) => Ok(bytes),
            RErr(error) => Err(error.into()),
        }
    }

    async fn call_json<R: DeserializeOwned>(
        &self,
        op: &str,
        context: &Context,
        message: &impl Serialize,
    ) -> Result<R, Error> {
        let payload = to_json("a request to the host", message)?;
        let answer = self.call_bytes(op, context, payload).await?;
        from_json("the host's answer", &answer)
    }

    async fn open_bytes(
        &self,
        op: &str,
        context: &Context,
        payload: Vec<u8>,
    ) -> Result<(RVec<u8>, ByteStream), Error> {
        let context = context::encode(context)?;
        let answer = self
            .identity
            .host()?
            .open(op.into(), context.as_slice().into(), payload.into());
        let opened = match answer.await {
            ROk(opened) => opened,
            RErr(error) => return Err(error.into()),
        };
        let stream = opened
            .stream
            .into_option()
            .ok_or_else(|| unreadable("the host's answer", "a stream was expected"))?;
        Ok((opened.head, ordinary(stream)))
    }

    fn notify(&self, op: &str, message: &impl Serialize) {
        // After the end the host has taken back what the component held; there is nobody to tell.
        if let (Ok(host), Ok(payload)) = (self.identity.host(), to_json("a word to the host", message)) {
            host.notify(op.into(), payload.as_slice().into());
        }
    }
}

impl Services for RemoteServices {
    fn lease<'a>(
        &'a self,
        context: &'a Context,
        requirement: &'a Requirement,
    ) -> BoxFuture<'a, Result<LeaseGrant, Error>> {
        Box::pin(async move {
            let payload = to_json("a requirement", requirement)?;
            let answer = self.call_bytes(ops::LEASE, context, payload).await?;
            from_json("a lease", &answer).inspect_err(|_| {
                // An instance is held by now: a grant that we cannot read is given back.
                #[derive(serde::Deserialize)]
                struct Number {
                    lease: u64,
                }
                if let Ok(Number { lease }) = serde_json::from_slice(&answer) {
                    self.release(lease, Outcome::Cancelled);
                }
            })
        })
    }

    fn release(&self, lease: u64, outcome: Outcome) {
        self.notify(ops::RELEASE, &Release { lease, outcome });
    }

    fn forward<'a>(
        &'a self,
        context: &'a Context,
        request: ForwardRequest,
    ) -> BoxFuture<'a, Result<ForwardResponse, Error>> {
        Box::pin(async move {
            let payload = encode_forward(request)?;
            let (head, body) = self.open_bytes(ops::FORWARD, context, payload).await?;
            let head: Forwarded = from_json("an instance's answer", &head)?;
            Ok(ForwardResponse {
                status: head.status,
                headers: head.headers,
                instance: head.instance,
                dialect: head.dialect,
                attempts: head.attempts,
                body,
            })
        })
    }

    fn call<'a>(
        &'a self,
        context: &'a Context,
        method: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<Value, Error>> {
        Box::pin(async move {
            let message = MethodCall {
                method: method.to_owned(),
                params,
            };
            self.call_json(ops::CALL, context, &message).await
        })
    }

    fn open<'a>(
        &'a self,
        context: &'a Context,
        method: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<ByteStream, Error>> {
        Box::pin(async move {
            let message = MethodCall {
                method: method.to_owned(),
                params,
            };
            let payload = to_json("a method call", &message)?;
            Ok(self.open_bytes(ops::OPEN, context, payload).await?.1)
        })
    }

    fn instances<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Vec<InstanceView>, Error>> {
        Box::pin(self.call_json(ops::INSTANCES, context, &()))
    }

    fn control<'a>(
        &'a self,
        context: &'a Context,
        control: Control,
    ) -> BoxFuture<'a, Result<ByteStream, Error>> {
        Box::pin(async move {
            let payload = to_json("a verb", &control)?;
            Ok(self.open_bytes(ops::CONTROL, context, payload).await?.1)
        })
    }

    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Secret, Error>> {
        Box::pin(async move {
            let context = Context::background("secret");
            self.call_json(ops::SECRET, &context, &name).await
        })
    }

    fn publish(&self, kind: &str, data: Value) {
        let message = Publish {
            kind: kind.to_owned(),
            data,
        };
        self.notify(ops::PUBLISH, &message);
    }

    fn bindings<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Vec<Binding>, Error>> {
        Box::pin(self.call_json(ops::BINDINGS, context, &()))
    }

    fn warm(&self, requirement: &Requirement) {
        self.notify(ops::WARM, requirement);
    }

    fn lost(&self, instance: &str, reason: &str) {
        let message = Lost {
            instance: instance.to_owned(),
            reason: reason.to_owned(),
        };
        self.notify(ops::LOST, &message);
    }
}

fn encode_forward(request: ForwardRequest) -> Result<Vec<u8>, Error> {
    let (variants, bodies): (Vec<Variant>, Vec<Bytes>) = request
        .variants
        .into_iter()
        .map(|variant| {
            let wire = Variant {
                dialect: variant.dialect,
                method: variant.method,
                path: variant.path,
                headers: variant.headers,
                length: variant.body.len(),
                relay: variant.relay,
            };
            (wire, variant.body)
        })
        .unzip();
    let head = Forward {
        requirement: request.requirement,
        variants,
        relay: request.relay,
    };
    let bodies: Vec<&[u8]> = bodies.iter().map(AsRef::as_ref).collect();
    frame::encode("a request to forward", &head, &bodies)
}
