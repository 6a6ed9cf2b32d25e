//! An instance's answer, ready to be passed on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use plugin_api::ResourceInstance;

use super::outgoing::strip;
use crate::dispatch::body::Body;
use crate::dispatch::relay::RelayBody;

/// An instance's answer.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its end-to-end headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: AnswerBody,
    /// Who answered.
    pub instance: Arc<ResourceInstance>,
    /// In which dialect, where the request named some.
    pub dialect: Option<String>,
    /// How many attempts it took.
    pub attempts: u32,
    /// How long the request waited in queues.
    pub queued: Duration,
}

/// The body of an [`Answer`].
pub enum AnswerBody {
    /// All of it; the instance is free already.
    Whole(Bytes),
    /// As it comes; the instance is held until its end.
    Stream(Box<RelayBody>),
}

const INSTANCE: HeaderName = HeaderName::from_static("x-gleitzeit-instance");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-gleitzeit-attempts");
const QUEUE_MS: HeaderName = HeaderName::from_static("x-gleitzeit-queue-ms");

/// Response headers that concern the connection to the instance alone, that hyper writes itself, or that would let an
/// instance speak to browsers in our name.
fn stays_behind(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "set-cookie"
            | "www-authenticate"
            | "proxy-authenticate"
            | "alt-svc"
            | "connection"
            | "keep-alive"
            | "proxy-connection"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "content-length"
    ) || name.starts_with("access-control-")
}

/// What of an instance's headers goes on to the client.
pub(super) fn passed_headers(mut headers: HeaderMap) -> HeaderMap {
    strip(&mut headers, stays_behind);
    headers
}

impl Answer {
    /// The answer as the client gets it, with headers that name instance, attempts and time in the queue.
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(match self.body {
            AnswerBody::Whole(bytes) => Body::from(bytes),
            AnswerBody::Stream(relay) => Body::Relay(relay),
        });
        *response.status_mut() = self.status;
        let mut headers = self.headers;
        if let Ok(id) = HeaderValue::from_str(&self.instance.id) {
            headers.insert(INSTANCE, id);
        }
        headers.insert(ATTEMPTS, number(u64::from(self.attempts)));
        headers.insert(QUEUE_MS, number(self.queued.as_millis() as u64));
        *response.headers_mut() = headers;
        response
    }
}

/// A number as a header's value. Nearly every answer came at once and at the first attempt.
fn number(number: u64) -> HeaderValue {
    match number {
        0 => HeaderValue::from_static("0"),
        1 => HeaderValue::from_static("1"),
        more => HeaderValue::from(more),
    }
}
