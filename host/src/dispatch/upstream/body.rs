//! The body of an instance's answer, which drives its connection and gives it back at the end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::connection::Connection;
use super::idle::Idle;

/// The body of an instance's answer. Dropping it before its end closes the connection, which is how the
/// instance learns that nobody listens any more.
pub struct UpstreamBody {
    incoming: Incoming,
    connection: Option<Connection>,
    key: u64,
    idle: Arc<Idle>,
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, connection: Connection, key: u64, idle: Arc<Idle>) -> Self {
        let mut body = Self {
            incoming,
            connection: Some(connection),
            key,
            idle,
        };
        if body.incoming.is_end_stream() {
            body.give_back();
        }
        body
    }

    fn give_back(&mut self) {
        if let Some(mut connection) = self.connection.take()
            && connection.is_reusable()
        {
            connection.rest();
            self.idle.check_in(self.key, connection);
        }
    }

    fn poll_incoming(&mut self, context: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        // As in `Connection::send`: the machine is polled right here, so the body needs no waker.
        let mut quiet = Context::from_waker(Waker::noop());
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(&mut quiet) {
            return Poll::Ready(frame);
        }
        match &mut self.connection {
            Some(connection) => connection.drive(context),
            None => return Poll::Ready(None),
        }
        Pin::new(&mut self.incoming).poll_frame(&mut quiet)
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = self.poll_incoming(context);
        match &frame {
            Poll::Ready(None) => self.give_back(),
            Poll::Ready(Some(Err(_))) => self.connection = None,
            Poll::Ready(Some(Ok(_))) if self.incoming.is_end_stream() => self.give_back(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
