//! Calls: a method by its name, the manager's own or a provider's.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::HeaderMap;
use plugin_api::Error;
use serde_json::Value;

use super::message::Request;
use super::{manager, reply};
use crate::gateway::backend::{Asker, Backend};
use crate::gateway::site::{Lane, stopping};

/// Who calls, ready to call any number of methods.
pub(super) struct Caller<B: Backend> {
    lane: Arc<Lane<B>>,
    asker: Asker,
    inner: B::Caller,
}

impl<B: Backend> Caller<B> {
    /// # Errors
    /// A header makes no sense.
    pub(super) fn new(lane: Arc<Lane<B>>, asker: Asker, headers: &HeaderMap) -> Result<Self, Error> {
        let inner = lane.site.backend.caller(asker.clone(), headers)?;
        Ok(Self { lane, asker, inner })
    }

    pub(super) fn lane(&self) -> &Lane<B> {
        &self.lane
    }

    /// Calls and waits for the result, as JSON.
    ///
    /// # Errors
    /// The method's own; `SHUTDOWN` when the host stops first.
    pub(super) async fn call(&self, request: &Request) -> Result<Bytes, Error> {
        let site = &self.lane.site;
        let work = async {
            match request.method.strip_prefix(manager::PREFIX) {
                Some(verb) => manager::call(&*site.admin, &self.asker, verb, &request.params)
                    .await
                    .map(|value| reply::text(&value)),
                None => {
                    let params = request.params.clone();
                    site.backend
                        .call(&request.method, params, self.inner.clone())
                        .await
                }
            }
        };
        tokio::select! {
            biased;
            outcome = work => outcome,
            () = self.asker.cancellation.cancelled() => Err(stopping()),
        }
    }

    /// Calls and streams. Ends after the first failure, and with `SHUTDOWN` when the host stops first.
    pub(super) async fn open(&self, request: &Request) -> BoxStream<'static, Result<Value, Error>> {
        let site = &self.lane.site;
        let opened = async {
            match request.method.strip_prefix(manager::PREFIX) {
                Some(verb) => manager::open(&*site.admin, &self.asker, verb, &request.params).await,
                None => {
                    let params = request.params.clone();
                    site.backend
                        .open(&request.method, params, self.inner.clone())
                        .await
                }
            }
        };
        let opened = tokio::select! {
            biased;
            opened = opened => opened,
            () = self.asker.cancellation.cancelled() => Err(stopping()),
        };
        let items = match opened {
            Ok(items) => items,
            Err(error) => return stream::once(async { Err(error) }).boxed(),
        };
        let cancellation = self.asker.cancellation.clone();
        stream::unfold(Some(items), move |items| {
            let cancellation = cancellation.clone();
            async move {
                let mut items = items?;
                let next = tokio::select! {
                    biased;
                    item = items.next() => item?,
                    () = cancellation.cancelled() => Err(stopping()),
                };
                let rest = next.is_ok().then_some(items);
                Some((next, rest))
            }
        })
        .boxed()
    }
}
