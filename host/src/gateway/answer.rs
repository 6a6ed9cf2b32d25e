//! Answers on their way out: a backend's body or one of our own.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use serde_json::Value;

use super::backend::BoxError;
use super::ticket::Ticket;

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
