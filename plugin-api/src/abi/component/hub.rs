//! A hub behind the names of operations.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;

use super::serve::{Opened, Serve, unknown, unknown_later};
use crate::abi::wire::hub::{self as ops, Control, ControlItem, Prepare};
use crate::abi::wire::{from_json, to_json};
use crate::contract::instance::InstanceSettings;
use crate::hub::Progress;
use crate::{ByteStream, Context, Error, Hub, ResourceInstance};

/// How many reports of progress wait for a slow reader before they are dropped.
const REPORTS: usize = 64;

pub(crate) struct HubServe<H>(pub(crate) Arc<H>);

impl<H: Hub> Serve for HubServe<H> {
    fn decide(&self, _head: &[u8], _body: &[u8]) -> Result<Vec<u8>, Error> {
        Err(unknown("decide"))
    }

    fn query(&self, op: &str, payload: &[u8]) -> Result<Vec<u8>, Error> {
        match op {
            ops::ADOPT => {
                let settings: InstanceSettings = from_json("an instance's settings", payload)?;
                let instance = self.0.adopt(settings).map_err(Into::into)?;
                to_json("an instance", &instance)
            }
            _ => Err(unknown(op)),
        }
    }

    fn call(
        self: Arc<Self>,
        op: &str,
        context: Context,
        payload: Bytes,
    ) -> BoxFuture<'static, Result<Vec<u8>, Error>> {
        let hub = self.0.clone();
        match op {
            ops::DISCOVER => answer(payload, move |(): ()| hub.discover(context)),
            ops::PROBE => answer(payload, move |instance| hub.probe(context, Arc::new(instance))),
            ops::REFRESH => answer(payload, move |instance| hub.refresh(context, Arc::new(instance))),
            ops::PREPARE => answer(payload, move |prepare: Prepare<ResourceInstance>| {
                hub.prepare(
                    context,
                    Arc::new(prepare.instance),
                    prepare.capability,
                    prepare.hint,
                )
            }),
            ops::START => answer(payload, move |specification| hub.start(context, specification)),
            ops::STOP => answer(payload, move |instance| hub.stop(context, Arc::new(instance))),
            ops::RESET => answer(payload, move |instance| hub.reset(context, Arc::new(instance))),
            _ => unknown_later(op),
        }
    }

    fn open(
        self: Arc<Self>,
        op: &str,
        context: Context,
        payload: Bytes,
    ) -> BoxFuture<'static, Result<Opened, Error>> {
        if op != ops::CONTROL {
            return unknown_later(op);
        }
        let hub = self.0.clone();
        Box::pin(async move {
            let control: Control<ResourceInstance> = from_json("a verb", &payload)?;
            Ok(Opened {
                head: Vec::new(),
                stream: Some(control_stream(hub, context, control)),
            })
        })
    }
}

/// One operation: its message read, its method called, its answer written.
fn answer<M, R, E, F>(
    payload: Bytes,
    method: impl FnOnce(M) -> F + Send + 'static,
) -> BoxFuture<'static, Result<Vec<u8>, Error>>
where
    M: DeserializeOwned + Send,
    R: Serialize,
    E: Into<Error>,
    F: Future<Output = Result<R, E>> + Send,
{
    Box::pin(async move {
        let message = from_json("a message to the hub", &payload)?;
        let result = method(message).await.map_err(Into::into)?;
        to_json("the hub's answer", &result)
    })
}

/// Progress as it is reported, then the result. The verb runs while the stream is read.
fn control_stream<H: Hub>(hub: Arc<H>, context: Context, control: Control<ResourceInstance>) -> ByteStream {
    let (sender, reports) = mpsc::channel(REPORTS);
    let instance = control.instance.map(Arc::new);
    let work = hub.control(
        context,
        control.verb,
        control.arguments,
        instance,
        Progress { sender },
    );
    let running = Running {
        work: Some(Box::pin(work)),
        reports,
        result: None,
    };
    futures_util::stream::unfold(running, Running::next)
        .map(|item| item.and_then(|item| to_json("an item of a verb's answer", &item).map(Bytes::from)))
        .boxed()
}

/// A verb at work, with what it has reported and what came of it.
struct Running {
    work: Option<BoxFuture<'static, Result<Value, Error>>>,
    reports: mpsc::Receiver<Value>,
    result: Option<Result<Value, Error>>,
}

impl Running {
    async fn next(mut self) -> Option<(Result<ControlItem, Error>, Self)> {
        if let Some(work) = &mut self.work {
            let result = tokio::select! {
                biased;
                Some(report) = self.reports.recv() => return Some((Ok(ControlItem::Progress(report)), self)),
                result = work => result,
            };
            self.work = None;
            self.result = Some(result);
        }
        // What was reported at the very end comes before the result; a `Progress` that the author has kept does not
        // hold the result up.
        if let Ok(report) = self.reports.try_recv() {
            return Some((Ok(ControlItem::Progress(report)), self));
        }
        let result = self.result.take()?;
        Some((result.map(ControlItem::Result), self))
    }
}
