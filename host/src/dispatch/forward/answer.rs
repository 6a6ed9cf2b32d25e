//! An instance's answer, ready to be passed on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use plugin_api::ResourceInstance;

use super::outgoing::named_by_connection;
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

/// How much of the time until an answer was spent waiting for instances; an extension of responses. What is left of
/// the whole is the host's own overhead.
#[derive(Debug, Clone, Copy)]
pub struct Waited(pub Duration);

const INSTANCE: HeaderName = HeaderName::from_static("x-gleitzeit-instance");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-gleitzeit-attempts");
const QUEUE_MS: HeaderName = HeaderName::from_static("x-gleitzeit-queue-ms");

/// Response headers that concern the connection to the instance alone, that hyper writes itself, or that would let an
/// instance speak to browsers in our name.
const OURS: [HeaderName; 11] = [
    header::SET_COOKIE,
    header::WWW_AUTHENTICATE,
    header::PROXY_AUTHENTICATE,
    header::ALT_SVC,
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_LENGTH,
];

/// What of an instance's headers goes on to the client.
pub(super) fn passed_headers(mut headers: HeaderMap) -> HeaderMap {
    for name in named_by_connection(&headers).iter().chain(&OURS) {
        headers.remove(name);
    }
    let cors: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .cloned()
        .collect();
    for name in cors {
        headers.remove(name);
    }
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
        headers.insert(ATTEMPTS, HeaderValue::from(self.attempts));
        headers.insert(QUEUE_MS, HeaderValue::from(self.queued.as_millis() as u64));
        *response.headers_mut() = headers;
        response
    }
}
