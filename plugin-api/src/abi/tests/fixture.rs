//! A hub and a provider that behave as the test tells them to.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::contract::instance::InstanceSettings;
use crate::contract::outcome::Outcome;
use crate::contract::probe::Probe;
use crate::contract::requirement::Requirement;
use crate::host::{ForwardRequest, Variant};
use crate::hub::Progress;
use crate::provider::{
    Decision, Entry, OwnedEntry, OwnedRequest, Phase, Rendered, Reply, ReplyBody, Request,
};
use crate::testing::{Harness, HubHarness, ProviderHarness};
use crate::{Context, Error, Host, Hub, Provider, ResourceInstance};

/// A hub whose instances are called after what it shall do when it probes them.
pub(super) struct Actor {
    host: Host,
    panics_when_dropped: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    #[serde(default)]
    new: String,
}

/// Tells the host when it is dropped.
struct Guard(Host);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.publish("dropped", Value::Null);
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the bomb went off");
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if self.panics_when_dropped {
            panic!("the hub went off");
        }
    }
}

impl Hub for Actor {
    type Config = Role;
    type Error = Error;

    fn new(config: Role, host: Host) -> Result<Self, Error> {
        match config.new.as_str() {
            "panics" => panic!("no hub today"),
            "fails" => return Err(Error::invalid("no hub today").hint("come back tomorrow")),
            _ => {}
        }
        Ok(Self {
            host,
            panics_when_dropped: config.new == "panics later",
        })
    }

    fn adopt(&self, settings: InstanceSettings) -> Result<ResourceInstance, Error> {
        assert!(settings.url != "http://panic", "this url again");
        ResourceInstance::from_settings(&settings)
    }

    async fn probe(
        self: Arc<Self>,
        context: Context,
        instance: Arc<ResourceInstance>,
    ) -> Result<Probe, Error> {
        match instance.id.as_str() {
            "panics" => panic!("probed to death"),
            "panics late" => {
                tokio::task::yield_now().await;
                panic!("probed to death, late");
            }
            "panics oddly" => std::panic::panic_any(Bomb),
            "fails" => Err(Error::instance(crate::ErrorCode::UPSTREAM_ERROR, "it is ill")),
            "hangs" => {
                let _guard = Guard(self.host.clone());
                self.host.publish("began", Value::Null);
                std::future::pending().await
            }
            "hangs with a bomb" => {
                let _guard = Guard(self.host.clone());
                let _bomb = Bomb;
                self.host.publish("began", Value::Null);
                std::future::pending().await
            }
            "listens" => {
                self.host.publish("began", Value::Null);
                context.cancelled().await;
                self.host.publish("noticed", Value::Null);
                Ok(Probe::default())
            }
            "ends with a bomb" => {
                let _bomb = Bomb;
                tokio::task::yield_now().await;
                Ok(Probe::default())
            }
            "spawns a panic" => {
                let _ = tokio::spawn(async { panic!("far from home") }).await;
                Ok(Probe::default())
            }
            "logs" => {
                let span = tracing::info_span!("outer", who = "me");
                let _entered = span.enter();
                tracing::info!(n = 7, ok = true, text = "a", "hello");
                tracing::trace!("nobody wants to know");
                Ok(Probe::default())
            }
            _ => Ok(Probe {
                version: Some(format!("{} for {}", context.request_id, context.principal)),
                ..Probe::default()
            }),
        }
    }

    async fn control(
        self: Arc<Self>,
        _context: Context,
        verb: String,
        arguments: Value,
        _instance: Option<Arc<ResourceInstance>>,
        progress: Progress,
    ) -> Result<Value, Error> {
        match verb.as_str() {
            "count" => {
                for n in 0..arguments["to"].as_u64().unwrap_or(0) {
                    progress.report(json!({ "completed": n }));
                }
                Ok(json!("counted"))
            }
            "panic" => panic!("a verb too many"),
            other => Err(Error::unsupported(format!("`{other}`"))),
        }
    }
}

/// A provider whose methods are called after what they shall do.
pub(super) struct Player {
    host: Host,
}

impl Provider for Player {
    type Config = Value;
    type Error = Error;

    fn new(_config: Value, host: Host) -> Result<Self, Error> {
        Ok(Self { host })
    }

    fn decide(&self, request: &Request<'_>) -> Result<Decision, Error> {
        match request.entry {
            Entry::Method { name: "panics", .. } => panic!("undecided"),
            Entry::Method { name: "fails", .. } => Err(Error::invalid("not like this")),
            _ => Ok(Decision::Work),
        }
    }

    async fn work(self: Arc<Self>, context: Context, request: OwnedRequest) -> Result<Reply, Error> {
        let OwnedEntry::Method { name, .. } = &request.entry else {
            return Ok(Reply::text("text/plain", request.body));
        };
        let host = &self.host;
        match name.as_str() {
            "echoes" => Ok(Reply::text("text/plain", request.body)),
            "streams" => Ok(stream(numbers(3))),
            "breaks" => Ok(stream(
                numbers(2)
                    .chain(one(Err(Error::plugin("it broke"))))
                    .chain(numbers(9)),
            )),
            "panics midway" => {
                let panics = futures_util::stream::once(async { panic!("in the middle") });
                Ok(stream(numbers(2).chain(panics)))
            }
            "hangs midway" => {
                let guard = Guard(host.clone());
                let hangs = futures_util::stream::once(async move {
                    let _guard = guard;
                    std::future::pending().await
                });
                Ok(stream(numbers(1).chain(hangs)))
            }
            "leases" => {
                let lease = host.lease(&context, &Requirement::default()).await?;
                let id = lease.instance().id.clone();
                lease.finish(Outcome::Success);
                Ok(Reply::json(&id))
            }
            "leases and hangs" => {
                let _lease = host.lease(&context, &Requirement::default()).await?;
                std::future::pending().await
            }
            "calls" => Ok(Reply::json(
                &host.call(&context, "other/method", json!({ "n": 1 })).await?,
            )),
            "opens" => Ok(Reply::stream(
                "x",
                host.open(&context, "other/method", Value::Null).await?,
            )),
            "forwards" => {
                let variant = |dialect: &str, body: Bytes| Variant {
                    dialect: dialect.into(),
                    method: "POST".into(),
                    path: "/x".into(),
                    body,
                    ..Variant::default()
                };
                let request = ForwardRequest {
                    variants: vec![
                        variant("a", Bytes::from_static(b"first")),
                        variant("b", request.body),
                    ],
                    ..ForwardRequest::default()
                };
                let answer = host.forward(&context, request).await?;
                Ok(Reply {
                    status: answer.status,
                    headers: vec![("by".into(), format!("{} in {}", answer.instance, answer.dialect))],
                    body: ReplyBody::Stream(answer.body),
                })
            }
            "tells a secret" => Ok(Reply::json(&host.secret("key").await?.expose())),
            "lists" => Ok(Reply::json(&host.instances(&context).await?.len())),
            other => Err(Error::unsupported(other)),
        }
    }

    fn render_error(&self, route: &str, phase: Phase, error: &Error) -> Rendered {
        assert!(route != "panics", "no words");
        Rendered {
            status: error.http_status(),
            content_type: "text/plain".into(),
            body: format!("{route} {phase:?} {error}").into(),
        }
    }
}

type Chunks = futures_util::stream::BoxStream<'static, Result<Bytes, Error>>;

fn one(item: Result<Bytes, Error>) -> Chunks {
    futures_util::stream::once(async { item }).boxed()
}

fn numbers(to: u8) -> Chunks {
    futures_util::stream::iter((0..to).map(|n| Ok(Bytes::from(vec![n])))).boxed()
}

fn stream(chunks: impl futures_util::Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Reply {
    Reply::stream("x", chunks.boxed())
}

pub(super) fn hub() -> HubHarness {
    Harness::new().hub::<Actor>(&json!({})).unwrap()
}

pub(super) fn provider() -> ProviderHarness {
    Harness::new().provider::<Player>(&json!({})).unwrap()
}

pub(super) fn context() -> Context {
    Context::background("req-1")
}

pub(super) fn instance(id: &str) -> ResourceInstance {
    ResourceInstance::new(id)
}

pub(super) fn method(name: &str, body: &'static [u8]) -> OwnedRequest {
    OwnedRequest {
        entry: OwnedEntry::Method {
            name: name.into(),
            stream: false,
        },
        headers: Vec::new(),
        body: Bytes::from_static(body),
    }
}

/// The body of a reply, to its end or to its failure.
pub(super) async fn read(reply: Reply) -> (Vec<u8>, Option<Error>) {
    let mut stream = match reply.body {
        ReplyBody::Once(bytes) => return (bytes.to_vec(), None),
        ReplyBody::Stream(stream) => stream,
    };
    let mut bytes = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(error) => return (bytes, Some(error)),
        }
    }
    (bytes, None)
}
