//! The body of an answer to a client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http_body::{Frame, SizeHint};
use plugin_api::Error;

use super::relay::RelayBody;

/// The body of an answer to a client. An error in it ends the connection, because nothing else can say it.
#[derive(Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// All of it.
    Full(Bytes),
    /// An instance's stream.
    Relay(Box<RelayBody>),
    /// A stream that a provider or the gateway makes.
    Stream(BoxStream<'static, Result<Bytes, Error>>),
}

impl Body {
    /// How many bytes of it are in memory already.
    pub fn in_memory(&self) -> usize {
        match self {
            Body::Full(bytes) => bytes.len(),
            Body::Empty | Body::Relay(_) | Body::Stream(_) => 0,
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Body::Empty => formatter.write_str("Empty"),
            Body::Full(bytes) => formatter.debug_tuple("Full").field(&bytes.len()).finish(),
            Body::Relay(_) => formatter.write_str("Relay"),
            Body::Stream(_) => formatter.write_str("Stream"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Body::Empty
        } else {
            Body::Full(bytes)
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut *self {
            Body::Empty => Poll::Ready(None),
            Body::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Body::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Body::Relay(relay) => Pin::new(relay).poll_frame(context),
            Body::Stream(stream) => {
                let item = ready!(stream.poll_next_unpin(context));
                Poll::Ready(item.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Relay(_) | Body::Stream(_) => SizeHint::default(),
        }
    }
}
