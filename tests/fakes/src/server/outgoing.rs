//! The body on its way out.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::journal::{Ending, ExchangeGuard};
use crate::fault::{Cut, Sent};

/// A body that flushes after every piece and tells the journal how it ended.
///
/// An error from it makes hyper close the connection in the middle of the body, which is what a cut is.
pub(super) struct Outgoing {
    sent: Sent,
    exchange: ExchangeGuard,
    /// A piece has just gone: the next poll is pending once, whereupon hyper flushes.
    flush: bool,
}

impl Outgoing {
    pub(super) fn new(sent: Sent, mut exchange: ExchangeGuard) -> Self {
        if sent.length == Some(0) {
            // hyper does not poll a body that it knows to be empty.
            exchange.end(Ending::Complete);
        }
        Self {
            sent,
            exchange,
            flush: false,
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = CutError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutError>>> {
        if std::mem::take(&mut self.flush) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.sent.parts.as_mut().poll_next(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(bytes))) => {
                self.flush = true;
                if self.sent.length == Some(bytes.len() as u64) {
                    // hyper does not come back for the end of a body whose length it knows.
                    self.exchange.end(Ending::Complete);
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Poll::Ready(Some(Err(Cut))) => {
                self.exchange.end(Ending::Failed);
                Poll::Ready(Some(Err(CutError)))
            }
            Poll::Ready(None) => {
                self.exchange.end(Ending::Complete);
                Poll::Ready(None)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.sent
            .length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The connection ends in the middle of an answer, on purpose.
#[derive(Debug)]
pub(super) struct CutError;

impl std::fmt::Display for CutError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on command")
    }
}

impl std::error::Error for CutError {}
