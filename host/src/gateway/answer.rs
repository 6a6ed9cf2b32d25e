//! Answers on their way out: a backend's body or one of our own, with everything that ends when they end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use plugin_api::{Error, ErrorCode};
use serde_json::{Value, json};

use super::backend::BoxError;
use super::metrics::RouteMetrics;
use super::slots::Slot;
use super::watch::{Phase, Watch};

pin_project_lite::pin_project! {
    /// An answer's body, and the ticket of its request: dropped together, however the answer ends.
    pub(super) struct Answer<B> {
        #[pin]
        content: Content<B>,
        ticket: Option<Ticket>,
    }
}

pin_project_lite::pin_project! {
    /// Where an answer's bytes come from.
    #[project = ContentProjection]
    pub(super) enum Content<B> {
        /// From the backend.
        Backend { #[pin] body: B },
        /// From here, at once.
        Whole { bytes: Option<Bytes> },
        /// From here, as they come. The stream never fails: failures are events of its own.
        Events { events: BoxStream<'static, Bytes> },
    }
}

impl<B> Content<B> {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes: Bytes = bytes.into();
        Content::Whole {
            bytes: Some(bytes).filter(|bytes| !bytes.is_empty()),
        }
    }
}

impl<B> Answer<B> {
    pub(super) fn new(content: Content<B>, ticket: Ticket) -> Self {
        Self {
            content,
            ticket: Some(ticket),
        }
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> Body for Answer<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let frame = match this.content.project() {
            ContentProjection::Backend { body } => {
                ready!(body.poll_frame(cx)).map(|frame| frame.map_err(Into::into))
            }
            ContentProjection::Whole { bytes } => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            ContentProjection::Events { events } => {
                ready!(events.as_mut().poll_next(cx)).map(|bytes| Ok(Frame::data(bytes)))
            }
        };
        if let (Some(Err(error)), Some(ticket)) = (&frame, this.ticket.as_ref()) {
            tracing::debug!(target: "gleitzeit::access", id = %ticket.request_id, %error, "answer broken off");
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Backend { body } => body.is_end_stream(),
            Content::Whole { bytes } => bytes.is_none(),
            Content::Events { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Backend { body } => body.size_hint(),
            Content::Whole { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Content::Events { .. } => SizeHint::default(),
        }
    }
}

/// One request from its head to the end of its answer: holds its slots, and is counted and logged when dropped.
pub(super) struct Ticket {
    pub watch: Arc<Watch>,
    pub route: Arc<RouteMetrics>,
    pub request_id: String,
    pub principal: Option<Arc<str>>,
    pub started: Instant,
    /// 499 until there is an answer: dropped before, the client did not wait for it.
    pub status: u16,
    pub slots: [Option<Slot>; 2],
    /// What is asked for, for the log: method and path without the query, which may hold anything.
    pub what: (http::Method, http::Uri),
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.watch.enter(Phase::Idle);
        self.route.answered(self.status);
        let principal = self.principal.as_deref().unwrap_or("-");
        let (method, path) = (&self.what.0, self.what.1.path());
        let millis = || self.started.elapsed().as_millis() as u64;
        if self.status >= 500 {
            tracing::info!(target: "gleitzeit::access", id = %self.request_id, principal, %method, path, status = self.status, millis = millis());
        } else {
            tracing::debug!(target: "gleitzeit::access", id = %self.request_id, principal, %method, path, status = self.status, millis = millis());
        }
    }
}

/// An answer of ours.
pub(super) fn json<B>(status: StatusCode, value: &Value) -> Response<Content<B>> {
    typed(status, "application/json", value.to_string())
}

/// An answer of ours of another type.
pub(super) fn typed<B>(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Content<B>> {
    let mut response = Response::new(Content::whole(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A failure where no route's dialect is known.
pub(super) fn failure<B>(error: &Error) -> Response<Content<B>> {
    let mut response = json(status_of(error), &json!({ "error": describe(error) }));
    explain(error, response.headers_mut());
    response
}

/// Headers that go with a failure in every dialect.
pub(super) fn explain(error: &Error, headers: &mut http::HeaderMap) {
    if let Some(wait) = error.retry_after() {
        // Whole seconds, never zero: a client told to come back in none would not wait at all.
        let seconds = wait.as_millis().div_ceil(1000).max(1);
        if let Ok(value) = HeaderValue::try_from(seconds.to_string()) {
            headers.entry(RETRY_AFTER).or_insert(value);
        }
    }
    if error.code == ErrorCode::UNAUTHENTICATED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}

/// Which methods would have been right.
pub(super) fn allow(methods: &[impl AsRef<str>], headers: &mut http::HeaderMap) {
    let list: Vec<&str> = methods.iter().map(AsRef::as_ref).collect();
    if let Ok(value) = HeaderValue::try_from(list.join(", ")) {
        headers.insert(ALLOW, value);
    }
}

/// The HTTP status of a failure; 500 where it names one that is none.
pub(super) fn status_of(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A failure as JSON, all of it: code, name, message, whose fault, whether to retry, what to do.
pub(super) fn describe(error: &Error) -> Value {
    let mut value = json!({
        "code": error.code,
        "name": error.code.name(),
        "message": error.message,
        "fault": error.fault,
        "retry": error.retry,
    });
    if let Some(hint) = &error.hint {
        value["hint"] = json!(hint);
    }
    if !error.details.is_empty() {
        value["details"] = json!(error.details);
    }
    value
}
