//! A backend with one route for each way to behave, which counts what is still running.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use parking_lot::Mutex;
use plugin_api::host::Control;
use plugin_api::{Error, ErrorCode, Fault};
use prometheus_client::encoding::DescriptorEncoder;
use serde_json::{Value, json};

use crate::gateway::backend::{Admin, Asker, Backend, BoxError, Found, Route};
use crate::gateway::metrics::gauge;
use crate::pool::EventSink;

/// What the fake saw and still does; shared with the test.
#[derive(Default)]
pub(super) struct Seen {
    running: AtomicUsize,
    pub askers: Mutex<Vec<Asker>>,
    pub controls: Mutex<Vec<Control>>,
    pub unready: Mutex<Vec<String>>,
    pub events: EventSink,
}

impl Seen {
    /// Requests, streams and calls that neither ended nor were dropped.
    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        Running(self.clone())
    }
}

struct Running(Arc<Seen>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Clone)]
pub(super) struct Fake(pub Arc<Seen>);

/// A path, the methods it answers, and whether it is for administrators.
const ROUTES: [(&str, &str, bool); 8] = [
    ("/hello", "GET", false),
    ("/long", "GET", false),
    ("/echo", "POST", false),
    ("/hang", "POST", false),
    ("/deaf", "POST", false),
    ("/flood", "GET", false),
    ("/drip", "GET", false),
    ("/delete", "DELETE", true),
];

#[derive(Clone)]
pub(super) struct FakeRoute {
    path: &'static str,
    methods: Arc<[String]>,
    admin: bool,
}

impl Route for FakeRoute {
    fn provider(&self) -> &str {
        "fake"
    }
    fn id(&self) -> &str {
        &self.path[1..]
    }
    fn admin(&self) -> bool {
        self.admin
    }
    fn methods(&self) -> &[String] {
        &self.methods
    }
}

/// More than any socket takes of an answer that nobody reads.
pub(super) const LONG: usize = 24 << 20;

type Body = BoxBody<Bytes, BoxError>;

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

fn streamed(chunks: impl Stream<Item = Bytes> + Send + Sync + 'static) -> Body {
    BodyExt::boxed(StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk)))))
}

impl Backend for Fake {
    type Route = FakeRoute;
    type Caller = Asker;
    type Body = Body;

    fn find(&self, method: &Method, path: &str) -> Found<FakeRoute> {
        let Some((path, answers, admin)) = ROUTES.into_iter().find(|(known, ..)| *known == path) else {
            return Found::Nothing;
        };
        let route = FakeRoute {
            path,
            methods: [answers.to_owned()].into(),
            admin,
        };
        if method.as_str() == answers {
            Found::Route(route)
        } else {
            Found::WrongMethod(route)
        }
    }

    fn caller(&self, asker: Asker, headers: &HeaderMap) -> Result<Asker, Error> {
        if headers.contains_key("x-fake-bad-hint") {
            return Err(Error::invalid("that hint makes no sense"));
        }
        self.0.askers.lock().push(asker.clone());
        Ok(asker)
    }

    fn render(&self, _: &FakeRoute, error: &Error) -> Response<Body> {
        let body = json!({ "fake_error": error.message, "fault": error.fault }).to_string();
        let mut response = Response::new(full(body));
        *response.status_mut() = http::StatusCode::from_u16(error.http_status()).unwrap();
        response
    }

    async fn serve(
        &self,
        route: &FakeRoute,
        caller: Asker,
        _: Parts,
        body: Bytes,
    ) -> (Response<Body>, Option<Duration>) {
        let running = self.0.begin();
        let response = Response::new(match route.path {
            "/hello" => full("hello"),
            "/long" => full(vec![b'x'; LONG]),
            "/echo" => full(format!("{} bytes", body.len())),
            "/hang" => {
                caller.cancellation.cancelled().await;
                full("cancelled")
            }
            "/deaf" => std::future::pending().await,
            "/flood" => streamed(
                stream::repeat(Bytes::from_static(&[b'x'; 16 << 10])).map(move |chunk| {
                    let _running = &running;
                    chunk
                }),
            ),
            "/drip" => {
                let cancelled = stream::once(async move {
                    caller.cancellation.cancelled().await;
                    drop(running);
                    Bytes::from_static(b"error: stopping")
                });
                streamed(stream::once(async { Bytes::from_static(b"first.") }).chain(cancelled))
            }
            _ => full("done"),
        });
        (response, Some(Duration::ZERO))
    }

    fn in_memory(body: &Body) -> usize {
        // The fake's whole bodies are as long as they say; its streams do not say.
        http_body::Body::size_hint(body).exact().unwrap_or_default() as usize
    }

    async fn call(&self, method: &str, params: Bytes, caller: Asker) -> Result<Bytes, Error> {
        let _running = self.0.begin();
        let value = match method {
            "fake/echo" => Ok(serde_json::from_slice(&params).unwrap_or(Value::Null)),
            "fake/null" => Ok(Value::Null),
            "fake/long" => Ok(Value::from("x".repeat(LONG))),
            "fake/fail" => Err(Error::instance(ErrorCode::UPSTREAM_ERROR, "it fell over")
                .hint("pick it up")
                .detail("instance", "one")),
            "fake/hang" => {
                caller.cancellation.cancelled().await;
                std::future::pending().await
            }
            "fake/running" => {
                tokio::task::yield_now().await;
                Ok(json!(self.0.running()))
            }
            _ => Err(Error::new(
                ErrorCode::METHOD_NOT_FOUND,
                Fault::Client,
                format!("there is no method `{method}`"),
            )),
        };
        value.map(|value: Value| value.to_string().into())
    }

    async fn open(
        &self,
        method: &str,
        _: Bytes,
        _: Asker,
    ) -> Result<BoxStream<'static, Result<Value, Error>>, Error> {
        let running = self.0.begin();
        let items = stream::iter([json!(1), json!({"two": 2}), Value::Null]).map(Ok);
        match method {
            "fake/long" => Ok(stream::repeat(Ok(Value::from("x".repeat(LONG)))).take(2).boxed()),
            "fake/count" => Ok(items.boxed()),
            "fake/break" => {
                let broken = Err(Error::instance(ErrorCode::STREAM_BROKEN, "it broke off"));
                Ok(items.chain(stream::iter([broken, Ok(json!("too late"))])).boxed())
            }
            "fake/silent" => Ok(stream::pending::<()>()
                .map(move |()| {
                    let _running = &running;
                    Ok(Value::Null)
                })
                .boxed()),
            _ => Err(Error::not_found("nothing to stream")),
        }
    }
}

impl Admin for Fake {
    fn unready(&self) -> Vec<String> {
        self.0.unready.lock().clone()
    }
    fn status(&self, _: &Asker) -> Value {
        json!({ "fleet": "well" })
    }
    fn instances(&self, _: &Asker) -> Value {
        json!([])
    }
    fn methods(&self) -> Value {
        json!(["fake/echo"])
    }
    fn plugins(&self) -> Value {
        json!([])
    }
    fn drain(&self, hub: &str, instance: &str) -> Result<Value, Error> {
        match (hub, instance) {
            ("a" | "", "one") => Ok(json!({ "draining": true })),
            _ => Err(Error::not_found("no such instance")),
        }
    }
    fn resume(&self, _: &str, _: &str) -> Result<Value, Error> {
        Ok(json!({ "draining": false }))
    }
    fn reads_only(&self, _: Option<&str>, verb: &str) -> bool {
        verb == "show"
    }
    fn control(&self, control: Control, _: Asker) -> BoxStream<'static, Result<Value, Error>> {
        self.0.controls.lock().push(control);
        stream::iter([json!({ "progress": 1 }), json!({ "results": {} })])
            .map(Ok)
            .boxed()
    }
    fn manage(&self, verb: String, params: Bytes, asker: Asker) -> BoxFuture<'_, Result<Value, Error>> {
        Box::pin(async move {
            let params: Value = serde_json::from_slice(&params).unwrap_or_default();
            match verb.as_str() {
                "allocate" => Ok(json!({ "params": params, "for": *asker.principal })),
                _ => Err(Error::new(
                    ErrorCode::METHOD_NOT_FOUND,
                    Fault::Client,
                    format!("there is no method `manager/{verb}`"),
                )),
            }
        })
    }
    fn events(&self) -> EventSink {
        self.0.events.clone()
    }
    fn metrics(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        gauge(encoder, "fake_instances", "Instances of the fake", 3)
    }
}
