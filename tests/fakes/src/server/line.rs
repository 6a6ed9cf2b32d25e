//! A connection that can be made to misbehave below HTTP.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::poll_fn;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// The socket of one connection, shared by the HTTP layer and whoever may take it away.
///
/// The lock is held for single polls only. Once the socket is gone everything answers "connection reset".
#[derive(Debug)]
pub(super) struct Line(Mutex<Option<TcpStream>>);

impl Line {
    pub(super) fn new(stream: TcpStream) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(stream))))
    }

    /// Ends the connection at once with a reset, as the kernel does for a process that was killed with work unread.
    pub(super) fn reset(&self) {
        if let Some(stream) = self.0.lock().take() {
            // Failing to ask for a reset leaves an ordinary close, which a dead process may leave as well.
            let _ = stream.set_zero_linger();
        }
    }

    /// Sends `bytes` past the HTTP layer.
    pub(super) async fn send_raw(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match poll_fn(|cx| self.with(|stream| stream.poll_write(cx, bytes))).await {
                Ok(sent) if sent > 0 => bytes = &bytes[sent..],
                _ => break,
            }
        }
    }

    fn with<T>(&self, act: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match self.0.lock().as_mut() {
            Some(stream) => act(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

/// The HTTP layer's end of a [`Line`].
#[derive(Debug)]
pub(super) struct Wire(pub(super) Arc<Line>);

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.with(|stream| stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.with(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.with(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.with(|stream| stream.poll_shutdown(cx))
    }
}
