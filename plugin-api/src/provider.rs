//! The trait a provider implements: what a method or a route means.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::contract::requirement::Requirement;
use crate::{ByteStream, Context, Error, Host};

/// Speaks a protocol to users.
///
/// For each request the host first asks [`decide`](Self::decide). *Forward* lets the host choose an instance,
/// send, retry, stream and account; the provider's code is not on the byte path. *Work* runs
/// [`work`](Self::work) on the plugin's runtime.
pub trait Provider: Send + Sync + Sized + 'static {
    /// Its `config = { ... }` in `plugins.toml`, already checked against the manifest's schema.
    type Config: DeserializeOwned + Send + 'static;
    /// The author's own error; usually a `thiserror` enum with one `impl From<_> for Error`.
    type Error: Into<Error>;

    /// Builds the provider. Called once per `[providers.x]`, within the plugin's runtime; must not block.
    ///
    /// # Errors
    /// The configuration cannot work: the host refuses the provider and shows the message.
    fn new(config: Self::Config, host: Host) -> Result<Self, Self::Error>;

    /// Forward or work? `[caller's thread, non-blocking, microseconds]`: it runs on the host's network thread,
    /// so it may parse and look up, and must not wait, lock for long, or do I/O.
    ///
    /// # Errors
    /// The request is wrong; rendered by [`render_error`](Self::render_error).
    fn decide(&self, _request: &Request<'_>) -> Result<Decision, Self::Error> {
        Ok(Decision::Work)
    }

    /// Answers a request, once or as a stream. Dropped when the caller has gone and the grace has passed.
    fn work(
        self: Arc<Self>,
        context: Context,
        request: OwnedRequest,
    ) -> impl Future<Output = Result<Reply, Self::Error>> + Send;

    /// Renders a failure in the dialect of the route it happened on. `[any thread, non-blocking]`
    ///
    /// `Phase::Streaming` means that the answer has begun: what is returned is appended as its last frame.
    fn render_error(&self, _route: &str, _phase: Phase, error: &Error) -> Rendered {
        Rendered::json(
            error.http_status(),
            &serde_json::json!({ "error": error.message }),
        )
    }
}

/// What came in at a method or a route.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// How it came in.
    pub entry: Entry<'a>,
    /// The request headers that the manifest asked to see, names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body of a route, or the parameters of a method as JSON; empty where there are none.
    pub body: &'a [u8],
}

/// How a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// By its method name, aliases resolved: `llm/chat`.
    Method {
        /// The name in the manifest.
        name: &'a str,
        /// Whether the caller wants the result as a stream.
        stream: bool,
    },
    /// Through one of the provider's HTTP routes.
    Route {
        /// The route's id in the manifest.
        id: &'a str,
        /// The HTTP method.
        method: &'a str,
        /// The path as requested, percent-encoding kept.
        path: &'a str,
        /// What follows `?`.
        query: Option<&'a str>,
    },
}

/// A [`Request`] that owns its parts, for work that outlives the caller's buffers.
#[derive(Debug, Clone)]
pub struct OwnedRequest {
    /// How it came in.
    pub entry: OwnedEntry,
    /// The request headers that the manifest asked to see.
    pub headers: Vec<(String, String)>,
    /// The body, or the parameters as JSON.
    pub body: Bytes,
}

/// An [`Entry`] that owns its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedEntry {
    /// By method name.
    Method {
        /// The name in the manifest.
        name: String,
        /// Whether the caller wants the result as a stream.
        stream: bool,
    },
    /// Through a route.
    Route {
        /// The route's id in the manifest.
        id: String,
        /// The HTTP method.
        method: String,
        /// The path as requested.
        path: String,
        /// What follows `?`.
        query: Option<String>,
    },
}

/// What the provider wants done with a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Call [`Provider::work`].
    Work,
    /// Send it to an instance. Boxed: most of it is cold.
    Forward(Box<Forward>),
}

/// A request for the host to send on the provider's behalf.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Forward {
    /// The instance it needs, among all hubs the provider is bound to, in order of preference.
    pub requirement: Requirement,
    /// The path to ask for; `None` keeps path and query as they came.
    pub path: Option<String>,
    /// What to send as the body.
    pub body: BodyPlan,
    /// The name of the manifest's relay by which the answer is judged; `None` passes it through unjudged.
    pub relay: Option<String>,
    /// Where the relay names a model field: what to put there in each frame of the answer, so that a client
    /// that used an alias gets it back.
    pub rename: Option<String>,
}

/// What to send as the body of a forwarded request.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum BodyPlan {
    /// The bytes that came, untouched.
    #[default]
    Unchanged,
    /// The bytes that came, with this range replaced: for an alias, where everything else stays untouched.
    Splice {
        /// First byte to replace.
        start: usize,
        /// One past the last byte to replace.
        end: usize,
        /// What stands there instead.
        with: String,
    },
    /// Other bytes.
    Replaced(Bytes),
}

/// An answer to a request.
///
/// For a method, the body is the result as one JSON value, or a stream whose chunks are one JSON value each.
/// For a route it is whatever the dialect says.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status, for routes.
    pub status: u16,
    /// Response headers, for routes; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: ReplyBody,
}

/// The body of a [`Reply`].
pub enum ReplyBody {
    /// All of it.
    Once(Bytes),
    /// As it comes. Dropped when the caller goes away.
    Stream(ByteStream),
}

impl std::fmt::Debug for ReplyBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReplyBody::Once(bytes) => formatter.debug_tuple("Once").field(&bytes.len()).finish(),
            ReplyBody::Stream(_) => formatter.write_str("Stream"),
        }
    }
}

impl Reply {
    /// A JSON answer with status 200.
    pub fn json(value: &impl serde::Serialize) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".into(), "application/json; charset=utf-8".into())],
            // Serialising to memory fails only for maps with odd keys, which is the plugin's own bug.
            body: ReplyBody::Once(
                serde_json::to_vec(value)
                    .unwrap_or_else(|_| b"null".to_vec())
                    .into(),
            ),
        }
    }

    /// An answer of this content type with status 200.
    pub fn text(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".into(), content_type.into())],
            body: ReplyBody::Once(body.into()),
        }
    }

    /// A streamed answer of this content type with status 200.
    pub fn stream(content_type: &str, body: ByteStream) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".into(), content_type.into())],
            body: ReplyBody::Stream(body),
        }
    }
}

/// How far an answer has got when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing has been sent: status and headers are free.
    Before,
    /// The stream has begun: only another frame can say it.
    Streaming,
}

/// A failure in a client's dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// HTTP status; without effect once streaming.
    pub status: u16,
    /// Content type; without effect once streaming.
    pub content_type: String,
    /// The body, or the frame to append.
    pub body: Bytes,
}

impl Rendered {
    /// A JSON body.
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Self {
            status,
            content_type: "application/json; charset=utf-8".into(),
            body: value.to_string().into(),
        }
    }
}
