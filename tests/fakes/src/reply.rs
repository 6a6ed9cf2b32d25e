//! What passes between the server and a dialect: a call goes in, a reply comes out.

use std::{fmt, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, future::BoxFuture, stream, stream::BoxStream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

/// One request, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The answer's first token is to be a little over 8 MB long.
    pub(crate) huge: bool,
}

/// What a kind of server says.
pub(crate) trait Dialect: Send + Sync + 'static {
    /// Answers a call; dropping the future abandons whatever the call had begun.
    fn answer(&self, call: Call) -> BoxFuture<'_, Reply>;

    /// An error in the form that this server gives errors on `path`.
    fn refusal(&self, path: &str, status: StatusCode, why: &str) -> Reply;

    /// What the server says when it has too much to do.
    fn busy(&self) -> &'static str;

    /// The server died and came back: what was only in memory is gone.
    fn restarted(&self) {}
}

/// A status, headers and a body that may still be on its way.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ReplyBody,
}

/// A reply's body.
pub(crate) enum ReplyBody {
    /// All of it, sent with a `Content-Length`.
    Whole(Bytes),
    /// Piece by piece, each flushed, in a chunked body.
    Pieces {
        pieces: BoxStream<'static, Piece>,
        /// What the server sends last when its engine dies on the way.
        broken: Bytes,
    },
}

/// What is sent at once.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    /// Faults count tokens; framing pieces (roles, usage, `[DONE]`) are none.
    pub(crate) token: bool,
}

impl Piece {
    pub(crate) fn token(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            token: true,
        }
    }

    pub(crate) fn frame(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            token: false,
        }
    }
}

impl Reply {
    pub(crate) fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self::new(status, content_type, ReplyBody::Whole(body.into()))
    }

    /// 200 with nothing in it, not even a content type.
    pub(crate) fn empty() -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: ReplyBody::Whole(Bytes::new()),
        }
    }

    pub(crate) fn stream(
        content_type: &'static str,
        pieces: impl Stream<Item = Piece> + Send + 'static,
        broken: impl Into<Bytes>,
    ) -> Self {
        let body = ReplyBody::Pieces {
            pieces: pieces.boxed(),
            broken: broken.into(),
        };
        Self::new(StatusCode::OK, content_type, body)
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    fn new(status: StatusCode, content_type: &'static str, body: ReplyBody) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Self {
            status,
            headers,
            body,
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// An error on its way to become a reply in the form of the route it happened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) why: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self {
            status,
            why: why.into(),
        }
    }

    pub(crate) fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    pub(crate) fn missing(why: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, why)
    }
}

/// Pieces that come `after` one another. `keep` is what the answer occupies: dropping the stream releases it, and so
/// does coming to the last piece, before that is sent, so that who has read the end sees it released.
pub(crate) fn paced<T, K>(
    items: Vec<(Duration, T)>,
    render: impl FnMut(T) -> Vec<Piece> + Send + 'static,
    keep: K,
) -> impl Stream<Item = Piece> + Send + 'static
where
    T: Send + 'static,
    K: Send + 'static,
{
    stream::unfold(
        (items.into_iter(), Some(keep), render),
        |(mut items, mut keep, mut render)| async move {
            let (after, item) = items.next()?;
            pause(after).await;
            if items.len() == 0 {
                keep = None;
            }
            Some((stream::iter(render(item)), (items, keep, render)))
        },
    )
    .flatten()
}

/// Waits `for_long`, and not at all if that is nothing: a timer of zero would still cost a turn of the clock.
pub(crate) async fn pause(for_long: Duration) {
    if !for_long.is_zero() {
        tokio::time::sleep(for_long).await;
    }
}
