//! The dispatcher as the gateway's backend.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use plugin_api::Error;
use plugin_api::provider::Phase;
use serde_json::Value;

use crate::dispatch::{self, Body, Caller, Dispatcher, Hints, RouteEntry};
use crate::gateway::backend::{Asker, Backend, Found, Route};

impl Route for Arc<RouteEntry> {
    fn provider(&self) -> &str {
        &self.provider.name
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn admin(&self) -> bool {
        self.route.admin
    }

    fn methods(&self) -> &[String] {
        &self.route.methods
    }
}

/// Who asks, in the dispatcher's own terms.
pub(super) fn caller(asker: Asker, hints: Hints) -> Caller {
    Caller {
        request_id: asker.request_id,
        principal: asker.principal,
        admin: asker.admin,
        max_priority: asker.max_priority,
        traceparent: asker.traceparent,
        hints,
        deadline: asker.deadline,
        stop: asker.cancellation,
    }
}

impl Backend for Dispatcher {
    type Route = Arc<RouteEntry>;
    type Caller = Caller;
    type Body = Body;

    fn find(&self, method: &Method, path: &str) -> Found<Self::Route> {
        match Dispatcher::find(self, method, path) {
            dispatch::Found::Route(entry) => Found::Route(entry),
            dispatch::Found::WrongMethod(entry) => Found::WrongMethod(entry),
            dispatch::Found::Nothing => Found::Nothing,
        }
    }

    fn caller(&self, asker: Asker, headers: &HeaderMap) -> Result<Caller, Error> {
        Ok(caller(asker, Hints::from_headers(headers)?))
    }

    fn render(&self, route: &Self::Route, error: &Error) -> Response<Body> {
        Dispatcher::render(self, route, Phase::Before, error)
    }

    async fn serve(
        &self,
        route: &Self::Route,
        caller: Caller,
        parts: Parts,
        body: Bytes,
    ) -> (Response<Body>, Option<Duration>) {
        Dispatcher::serve(self, route, caller, parts, body).await
    }

    fn in_memory(body: &Body) -> usize {
        body.in_memory()
    }

    async fn call(&self, method: &str, params: Bytes, caller: Caller) -> Result<Bytes, Error> {
        Dispatcher::call(self, method, params, caller).await
    }

    async fn open(
        &self,
        method: &str,
        params: Bytes,
        caller: Caller,
    ) -> Result<BoxStream<'static, Result<Value, Error>>, Error> {
        Dispatcher::open(self, method, params, caller).await
    }
}
