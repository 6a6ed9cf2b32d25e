//! One connection, driven by whoever uses it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

/// The byte stream under a connection.
pub(super) type Io = Either<TcpStream, TlsStream<TcpStream>>;

/// hyper's half of a connection. Boxed once for each connection, so that it can move while requests borrow it.
type Machine = Pin<Box<http1::Connection<TokioIo<Io>, Full<Bytes>>>>;

/// An HTTP/1.1 connection and the machine that moves its bytes.
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Must be polled for anything to happen. `None` once it has ended.
    machine: Option<Machine>,
    /// When it last came to rest.
    pub(super) rested: Instant,
    /// It has answered a request before, so the server may have closed it meanwhile.
    kept: bool,
}

/// Why a request got no response head.
pub(super) enum SendError {
    /// The server had closed a kept connection: try another.
    Stale,
    /// It broke.
    Broken(hyper::Error),
}

impl Connection {
    /// Starts HTTP on a byte stream.
    pub(super) async fn handshake(io: TokioIo<Io>) -> hyper::Result<Self> {
        let (sender, machine) = http1::Builder::new().max_buf_size(1 << 20).handshake(io).await?;
        Ok(Self {
            sender,
            machine: Some(Box::pin(machine)),
            rested: Instant::now(),
            kept: false,
        })
    }

    /// Sends a request; the connection comes back with the head, to be driven on for the body.
    pub(super) async fn send(
        mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Self), SendError> {
        let mut response = std::pin::pin!(self.sender.try_send_request(request));
        let (kept, machine) = (self.kept, &mut self.machine);
        let result = std::future::poll_fn(|context| {
            // Only the machine can make the response ready, and we poll it ourselves: the response needs no
            // waker of its own, which would wake this very task for nothing.
            let mut quiet = Context::from_waker(Waker::noop());
            if let Poll::Ready(result) = response.as_mut().poll(&mut quiet) {
                return Poll::Ready(result);
            }
            poll_machine(machine, context);
            response.as_mut().poll(&mut quiet)
        })
        .await;
        match result {
            Ok(head) => Ok((head, self)),
            Err(mut error) => {
                let unsent = error.take_message().is_some();
                let error = error.into_error();
                let closed_early = error.is_incomplete_message() || error.is_canceled() || error.is_closed();
                if kept && (unsent || closed_early) {
                    Err(SendError::Stale)
                } else {
                    Err(SendError::Broken(error))
                }
            }
        }
    }

    /// Moves bytes; wakes the task when more can be moved.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) {
        poll_machine(&mut self.machine, context);
    }

    /// Whether it can take another request: still open, nothing left of the last one.
    pub(super) fn is_reusable(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.machine.is_some() && self.sender.is_ready()
    }

    /// Notes that it rests from now on.
    pub(super) fn rest(&mut self) {
        self.kept = true;
        self.rested = Instant::now();
    }
}

fn poll_machine(machine: &mut Option<Machine>, context: &mut Context<'_>) {
    // An error of the machine reaches the response or the body as well, where it is reported.
    if let Some(running) = machine
        && running.as_mut().poll(context).is_ready()
    {
        *machine = None;
    }
}
