//! Routes: from a client's HTTP request to a provider's answer in the same dialect.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use plugin_api::contract::outcome::Outcome;
use plugin_api::provider::{
    BodyPlan, Decision, Entry, Forward, OwnedEntry, OwnedRequest, Phase, Reply, ReplyBody, Request,
};
use plugin_api::{ByteStream, Error, ErrorCode, Fault};
use tokio_util::sync::CancellationToken;

use super::Dispatcher;
use super::body::Body;
use super::caller::Caller;
use super::callers::CallerGuard;
use super::explain::explain;
use super::forward::{self, Job, Outgoing, copied_headers};
use super::late;
use super::relay::{Judge, RelayEnd, stopping};
use super::table::RouteEntry;
use crate::pool::Lease;

impl Dispatcher {
    /// Answers a request at a route, and says how much of the time until then was spent waiting for instances, where it
    /// knows. Never fails: a failure is rendered in the route's dialect. Dropping the future or the body cancels
    /// everything behind it.
    pub async fn serve(
        &self,
        entry: &Arc<RouteEntry>,
        caller: Caller,
        parts: Parts,
        body: Bytes,
    ) -> (Response<Body>, Option<Duration>) {
        match self.answer(entry, &caller, parts, body).await {
            Ok(answered) => answered,
            Err(error) => (self.render(entry, Phase::Before, &error), None),
        }
    }

    /// A failure in the dialect of a route.
    pub fn render(&self, entry: &RouteEntry, phase: Phase, error: &Error) -> Response<Body> {
        let rendered = entry.provider.driver.render_error(&entry.id, phase, error);
        let mut response = Response::new(Body::from(rendered.body));
        *response.status_mut() =
            StatusCode::from_u16(rendered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Ok(kind) = HeaderValue::try_from(rendered.content_type) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        explain(error, response.headers_mut());
        for (detail, name) in [
            ("instance", "x-gleitzeit-instance"),
            ("attempts", "x-gleitzeit-attempts"),
        ] {
            let text = error
                .details
                .get(detail)
                .map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        }
        response
    }

    async fn answer(
        &self,
        entry: &Arc<RouteEntry>,
        caller: &Caller,
        parts: Parts,
        body: Bytes,
    ) -> Result<(Response<Body>, Option<Duration>), Error> {
        let decision = {
            let headers = asked_for(entry, &parts);
            entry.provider.driver.decide(&Request {
                entry: Entry::Route {
                    id: &entry.id,
                    method: parts.method.as_str(),
                    path: parts.uri.path(),
                    query: parts.uri.query(),
                },
                headers: &headers,
                body: &body,
            })?
        };
        match decision {
            Decision::Forward(forward) => self.pass_on(entry, caller, parts, body, *forward).await,
            Decision::Work => {
                let working = self.callers.enter(caller);
                let request = owned(entry, &parts, body);
                let work = entry.provider.driver.work(caller.context(), request);
                let reply = late::in_time(caller, work).await?;
                Ok((respond(entry, held(reply, working, caller), &caller.stop)?, None))
            }
        }
    }

    async fn pass_on(
        &self,
        entry: &Arc<RouteEntry>,
        caller: &Caller,
        parts: Parts,
        body: Bytes,
        forward: Forward,
    ) -> Result<(Response<Body>, Option<Duration>), Error> {
        let judge = judge(entry, forward.relay.as_deref())?;
        let outgoing = Outgoing {
            dialect: None,
            path: path(&parts, forward.path)?,
            method: parts.method,
            headers: copied_headers(parts.headers),
            body: planned(body, forward.body)?,
            judge,
            rename: forward.rename,
        };
        let job = Job {
            caller,
            pools: entry.provider.pools(forward.requirement.role.as_deref())?,
            requirement: forward.requirement,
            outgoing: vec![outgoing],
        };
        let end = |lease| -> Box<dyn RelayEnd> {
            Box::new(RouteEnd {
                lease: Some(lease),
                entry: entry.clone(),
            })
        };
        let begun = Instant::now();
        let response = forward::forward(&self.upstream, job, &end).await?.into_response();
        Ok((response, Some(begun.elapsed())))
    }
}

/// The end of a stream at a route: failures are frames in its dialect.
struct RouteEnd {
    /// Released as cancelled when the client goes away before the end.
    lease: Option<Lease>,
    entry: Arc<RouteEntry>,
}

impl RelayEnd for RouteEnd {
    fn ended(&mut self, outcome: Outcome) {
        if let Some(lease) = self.lease.take() {
            lease.finish(outcome);
        }
    }

    fn render(&self, error: Error) -> Result<Bytes, Error> {
        Ok(self
            .entry
            .provider
            .driver
            .render_error(&self.entry.id, Phase::Streaming, &error)
            .body)
    }
}

/// The reply, whose stream keeps its caller at work until it ends, which it does in time.
pub(super) fn held(mut reply: Reply, working: CallerGuard, caller: &Caller) -> Reply {
    if let ReplyBody::Stream(stream) = reply.body {
        let kept = late::ended_in_time(caller, stream).map(move |piece| {
            let _ = &working;
            piece
        });
        reply.body = ReplyBody::Stream(kept.boxed());
    }
    reply
}

/// The request headers that the manifest asks for.
fn asked_for<'a>(entry: &'a RouteEntry, parts: &'a Parts) -> Vec<(&'a str, &'a str)> {
    let value = |name: &'a String| Some((name.as_str(), parts.headers.get(name)?.to_str().ok()?));
    entry.route.headers.iter().filter_map(value).collect()
}

fn owned(entry: &RouteEntry, parts: &Parts, body: Bytes) -> OwnedRequest {
    let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    OwnedRequest {
        entry: OwnedEntry::Route {
            id: entry.id.clone(),
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
        },
        headers: asked_for(entry, parts).into_iter().map(text).collect(),
        body,
    }
}

fn path(parts: &Parts, wanted: Option<String>) -> Result<http::uri::PathAndQuery, Error> {
    match wanted {
        Some(path) => path
            .parse()
            .map_err(|_| Error::plugin(format!("the provider chose a path that is none: {path:?}"))),
        None => parts
            .uri
            .path_and_query()
            .cloned()
            .ok_or_else(|| Error::invalid("the request has no path")),
    }
}

pub(super) fn planned(body: Bytes, plan: BodyPlan) -> Result<Bytes, Error> {
    match plan {
        BodyPlan::Unchanged => Ok(body),
        BodyPlan::Replaced(other) => Ok(other),
        BodyPlan::Splice { start, end, with } if start <= end && end <= body.len() => {
            let mut out = BytesMut::with_capacity(body.len() + with.len());
            out.extend_from_slice(&body[..start]);
            out.extend_from_slice(with.as_bytes());
            out.extend_from_slice(&body[end..]);
            Ok(out.freeze())
        }
        BodyPlan::Splice { .. } => Err(Error::plugin(
            "the provider replaces bytes that the body does not have",
        )),
    }
}

pub(super) fn judge(entry: &RouteEntry, relay: Option<&str>) -> Result<Option<Judge>, Error> {
    let Some(name) = relay else { return Ok(None) };
    match entry.provider.relays.get(name) {
        Some(relay) => Ok(Some(Judge::new(relay.clone()))),
        None => Err(Error::new(
            ErrorCode::PROVIDER_ERROR,
            Fault::Plugin,
            format!("the provider names a relay `{name}` that its manifest does not have"),
        )),
    }
}

/// A provider's own answer.
fn respond(entry: &Arc<RouteEntry>, reply: Reply, stop: &CancellationToken) -> Result<Response<Body>, Error> {
    let bad = || Error::plugin("the provider answered with a status or header that HTTP does not allow");
    let mut response = Response::new(match reply.body {
        ReplyBody::Once(bytes) => Body::from(bytes),
        ReplyBody::Stream(stream) => Body::Stream(told(entry.clone(), stream, stop.clone())),
    });
    *response.status_mut() = StatusCode::from_u16(reply.status).map_err(|_| bad())?;
    for (name, value) in reply.headers {
        let name = HeaderName::try_from(name).map_err(|_| bad())?;
        response
            .headers_mut()
            .append(name, HeaderValue::try_from(value).map_err(|_| bad())?);
    }
    Ok(response)
}

/// A provider's stream, in which a failure, and the host's own end, become a last frame in the dialect.
fn told(
    entry: Arc<RouteEntry>,
    stream: ByteStream,
    stop: CancellationToken,
) -> BoxStream<'static, Result<Bytes, Error>> {
    stream::unfold(Some(stream), move |stream| {
        let (entry, stop) = (entry.clone(), stop.clone());
        async move {
            let mut stream = stream?;
            let piece = tokio::select! {
                biased;
                piece = stream.next() => piece?,
                () = stop.cancelled() => Err(stopping()),
            };
            Some(match piece {
                Ok(bytes) => (Ok(bytes), Some(stream)),
                Err(error) => {
                    let driver = &entry.provider.driver;
                    let frame = driver.render_error(&entry.id, Phase::Streaming, &error);
                    (Ok(frame.body), None)
                }
            })
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests;
