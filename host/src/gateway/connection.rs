//! One connection: hyper's HTTP/1 over a watched socket, and the one timer that all its limits share.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFuture;

use super::backend::Backend;
use super::bad_head;
use super::handle::handle;
use super::site::Lane;
use super::socket::Socket;
use super::watch::{Phase, Watch};
use crate::config::settings::Limits;

/// hyper's own limit on header fields: at this value it keeps them on the stack, at any other on the heap.
const FREE_HEADERS: usize = 100;

/// The least hyper takes for its buffers.
const SMALLEST_BUFFER: usize = 8 << 10;

/// How bytes of a connection become requests; the same for all of them.
pub(super) fn protocol(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // The driver below does this without a timer for each request.
        .header_read_timeout(None)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(SMALLEST_BUFFER))
        // A client that closes its sending side has hung up: then nobody waits for the answer.
        .half_close(false);
    if limits.header_count != FREE_HEADERS {
        builder.max_headers(limits.header_count);
    }
    builder
}

/// Serves a connection until either side closes it, a limit passes, or the host stops. Dropping it drops
/// everything its requests have begun.
pub(super) async fn serve<B: Backend>(lane: Arc<Lane<B>>, protocol: http1::Builder, stream: TcpStream) {
    let _open = Open::new(&lane);
    let watch = Arc::new(Watch::new());
    let socket = Socket::new(stream, watch.clone(), lane.traffic.clone());
    let service = {
        let (lane, watch) = (lane.clone(), watch.clone());
        service_fn(move |request| handle(lane.clone(), watch.clone(), request))
    };
    let mut connection = protocol.serve_connection(TokioIo::new(socket), service);
    let mut timer = Timer::default();
    let mut end = pin!(End::of(&lane));
    let expired = std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(outcome) = Pin::new(&mut connection).poll(cx) {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "connection ended");
                }
                return Poll::Ready(false);
            }
            match end.as_mut().poll_news(cx, &lane) {
                None => break,
                Some(News::Closing) => Pin::new(&mut connection).graceful_shutdown(),
                Some(News::Aborting) => watch.abort(),
            }
        }
        timer.poll(cx, &watch, &lane.site.limits).map(|()| true)
    })
    .await;
    if !expired {
        return;
    }

    let metrics = &lane.site.metrics;
    if watch.is_stalled() {
        metrics.unread.fetch_add(1, Ordering::Relaxed);
        tracing::debug!("closing a connection: its client does not read");
    } else if watch.phase() == Phase::Head {
        let parts = connection.into_parts();
        if !parts.read_buf.is_empty() {
            metrics.slow_heads.fetch_add(1, Ordering::Relaxed);
            tracing::debug!("closing a connection: the head of a request did not come in time");
            parts.io.into_inner().say(&bad_head::too_slow());
        }
    }
}

pin_project_lite::pin_project! {
    /// What a connection hears of the host's end. Asking costs a lock, so it is asked once to be woken, and again only
    /// when there is an end.
    struct End<C, A> {
        #[pin]
        closing: C,
        #[pin]
        aborting: A,
        heard: Heard,
    }
}

/// What a connection knows of the host's end.
enum Heard {
    /// Nothing, and will not be woken.
    NotAsked,
    /// Nothing, and will be woken.
    Listening,
    /// No new work.
    Closing,
    /// Work in flight is over too.
    Aborting,
}

/// What is new of the host's end.
enum News {
    Closing,
    Aborting,
}

impl<'a> End<WaitForCancellationFuture<'a>, WaitForCancellationFuture<'a>> {
    fn of<B>(lane: &'a Lane<B>) -> Self {
        Self {
            closing: lane.closing.cancelled(),
            aborting: lane.aborting.cancelled(),
            heard: Heard::NotAsked,
        }
    }

    fn poll_news<B>(self: Pin<&mut Self>, cx: &mut Context<'_>, lane: &Lane<B>) -> Option<News> {
        let this = self.project();
        match this.heard {
            Heard::Listening if !lane.site.stopping.load(Ordering::Acquire) => None,
            Heard::NotAsked | Heard::Listening => match this.closing.poll(cx) {
                Poll::Ready(()) => {
                    *this.heard = Heard::Closing;
                    Some(News::Closing)
                }
                Poll::Pending => {
                    *this.heard = Heard::Listening;
                    None
                }
            },
            Heard::Closing => this.aborting.poll(cx).is_ready().then(|| {
                *this.heard = Heard::Aborting;
                News::Aborting
            }),
            Heard::Aborting => None,
        }
    }
}

/// Counts a connection as open.
struct Open<B>(Arc<Lane<B>>);

impl<B: Backend> Open<B> {
    fn new(lane: &Arc<Lane<B>>) -> Self {
        Self(lane.clone())
    }
}

impl<B> Drop for Open<B> {
    fn drop(&mut self) {
        self.0.traffic.closed();
    }
}

/// The one timer of a connection, set only when a limit begins to count that would pass before it rings.
#[derive(Default)]
struct Timer {
    seen: u32,
    until: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Ready when what the connection is doing has taken too long. Call it after each poll of the connection.
    fn poll(&mut self, cx: &mut Context<'_>, watch: &Watch, limits: &Limits) -> Poll<()> {
        let changes = watch.changes();
        if changes != self.seen {
            self.seen = changes;
            self.until = watch.limit(limits).map(far_from_now);
        }
        let Some(until) = self.until else {
            return Poll::Pending;
        };
        loop {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if sleep.deadline() > until {
                sleep.as_mut().reset(until);
            }
            // It may ring early, for a limit that has been met since: then it is set anew.
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= until {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(until);
        }
    }
}

/// A configured limit may be longer than a clock can count.
fn far_from_now(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit)
        .unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 3600))
}
