//! A connection's socket, which notes what happens on it and closes in a way that lets refusals be read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::bad_head;
use super::metrics::Traffic;
use super::watch::{Phase, Watch};

/// How much of what a refused client still sends we read away before closing on it all the same.
const LINGER_BYTES: usize = 1 << 20;

/// A socket that notes what happens on it.
#[derive(Debug)]
pub(super) struct Socket<S> {
    inner: S,
    watch: Arc<Watch>,
    traffic: Arc<Traffic>,
    /// The last read brought bytes, so there may be more that nobody has read.
    more: bool,
    closed: bool,
    lingered: usize,
}

impl<S> Socket<S> {
    pub(super) fn new(inner: S, watch: Arc<Watch>, traffic: Arc<Traffic>) -> Self {
        Self {
            inner,
            watch,
            traffic,
            more: false,
            closed: false,
            lingered: 0,
        }
    }

    fn wrote(&self, outcome: &Poll<io::Result<usize>>) {
        match outcome {
            Poll::Ready(Ok(bytes)) => {
                self.traffic.sent(*bytes);
                self.watch.wrote(true);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.watch.wrote(false),
        }
    }
}

impl<S: AsyncWrite + Unpin> Socket<S> {
    /// Puts our own words in place of hyper's empty answer to a head it could not read.
    fn explain(&mut self, cx: &mut Context<'_>, answer: &[u8]) -> Option<Poll<io::Result<usize>>> {
        let better = bad_head::explain(answer)?;
        let outcome = Pin::new(&mut self.inner).poll_write(cx, &better);
        self.wrote(&outcome);
        // Into an empty buffer of the kernel's all of it goes at once. Of what does not, nothing is repeated: the
        // connection is closed next.
        Some(outcome.map_ok(|_| answer.len()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buffer);
        let bytes = buffer.filled().len() - before;
        self.more = bytes > 0;
        if bytes > 0 {
            self.traffic.received(bytes);
            self.watch.received();
        }
        outcome
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(outcome) = self.explain(cx, bytes) {
            return outcome;
        }
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices
            && let Some(outcome) = self.explain(cx, only)
        {
            return outcome;
        }
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.wrote(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closed {
            ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
            self.closed = true;
            if self.more {
                self.watch.enter(Phase::Lingering);
            }
        }
        let mut scrap = [0; 8 << 10];
        while self.more && self.lingered < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut scrap);
            let outcome = ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer));
            let bytes = buffer.filled().len();
            self.lingered += bytes;
            self.traffic.received(bytes);
            self.more = outcome.is_ok() && bytes > 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl Socket<tokio::net::TcpStream> {
    /// Last words before the connection is dropped: sent if the kernel takes them at once.
    pub(super) fn say(&self, words: &[u8]) {
        if let Ok(written) = self.inner.try_write(words) {
            self.traffic.sent(written);
        }
    }
}
