//! Answers on their way out: a backend's body or one of our own.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use serde_json::Value;

use super::backend::BoxError;
use super::budget::Share;
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
        /// From the backend. One that is in memory has a share of the budget, which goes with its bytes.
        Backend { #[pin] body: B, share: Option<Share> },
        /// From here, at once. None of the pieces is empty.
        Whole { pieces: VecDeque<Bytes> },
        /// From here, as they come. The stream never fails: failures are events of its own.
        Events { events: BoxStream<'static, Bytes> },
    }
}

impl<B> Content<B> {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::pieces([bytes.into()])
    }

    /// What is large is sent as it lies in memory, and not copied into one whole.
    pub(super) fn pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
        Content::Whole {
            pieces: pieces.collect(),
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
            ContentProjection::Backend { body, share } => {
                let frame = ready!(body.poll_frame(cx)).map(|frame| frame.map_err(Into::into));
                match share.take() {
                    None => frame,
                    Some(share) => frame.map(|frame| frame.map(|frame| bound(frame, share))),
                }
            }
            ContentProjection::Whole { pieces } => pieces.pop_front().map(|piece| Ok(Frame::data(piece))),
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
            Content::Backend { body, .. } => body.is_end_stream(),
            Content::Whole { pieces } => pieces.is_empty(),
            Content::Events { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Backend { body, .. } => body.size_hint(),
            Content::Whole { pieces } => {
                SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum())
            }
            Content::Events { .. } => SizeHint::default(),
        }
    }
}

/// The frame, whose bytes hold the share until they are written.
fn bound(frame: Frame<Bytes>, share: Share) -> Frame<Bytes> {
    frame.map_data(|bytes| share.bind(bytes))
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
    made_of(status, content_type, [body.into()])
}

/// An answer of ours in pieces.
pub(super) fn made_of<B>(
    status: StatusCode,
    content_type: &'static str,
    pieces: impl IntoIterator<Item = Bytes>,
) -> Response<Content<B>> {
    let mut response = Response::new(Content::pieces(pieces));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
