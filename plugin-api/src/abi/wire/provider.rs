//! A provider's operations and their messages, except for decisions.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::frame;
use crate::Error;
use crate::provider::{OwnedEntry, OwnedRequest, Phase};

/// Query: [`Provider::render_error`](crate::Provider::render_error). [`Render`] to a [frame] of
/// [`RenderedHead`] and the body.
pub const RENDER_ERROR: &str = "render_error";
/// Open: [`Provider::work`](crate::Provider::work). [`encode_request`] to a [frame] of [`ReplyHead`]
/// and the body, or a stream.
pub const WORK: &str = "work";

/// A failure to render.
#[derive(Debug, Serialize, Deserialize)]
pub struct Render {
    /// The route it happened on.
    pub route: String,
    /// Whether the answer had begun.
    pub streaming: bool,
    /// The failure.
    pub error: Error,
}

impl Render {
    /// How far the answer had got.
    pub fn phase(&self) -> Phase {
        if self.streaming {
            Phase::Streaming
        } else {
            Phase::Before
        }
    }
}

/// A rendered failure without its body.
#[derive(Debug, Serialize, Deserialize)]
pub struct RenderedHead {
    /// HTTP status.
    pub status: u16,
    /// Content type.
    pub content_type: String,
}

/// A reply without its body.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReplyHead {
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

#[derive(Serialize)]
struct RequestHead<'a> {
    entry: Entry<'a>,
    headers: &'a [(String, String)],
}

#[derive(Deserialize)]
struct OwnedHead {
    entry: OwnedWireEntry,
    #[serde(default)]
    headers: Vec<(String, String)>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Entry<'a> {
    Method {
        name: &'a str,
        stream: bool,
    },
    Route {
        id: &'a str,
        method: &'a str,
        path: &'a str,
        query: Option<&'a str>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OwnedWireEntry {
    Method {
        name: String,
        #[serde(default)]
        stream: bool,
    },
    Route {
        id: String,
        method: String,
        path: String,
        #[serde(default)]
        query: Option<String>,
    },
}

/// A request for work as a [frame].
///
/// # Errors
/// See [`frame::encode`].
pub fn encode_request(request: &OwnedRequest) -> Result<Vec<u8>, Error> {
    let entry = match &request.entry {
        OwnedEntry::Method { name, stream } => Entry::Method {
            name,
            stream: *stream,
        },
        OwnedEntry::Route {
            id,
            method,
            path,
            query,
        } => Entry::Route {
            id,
            method,
            path,
            query: query.as_deref(),
        },
    };
    let head = RequestHead {
        entry,
        headers: &request.headers,
    };
    frame::encode("a request", &head, &[&request.body])
}

/// A request for work from a [frame], its body without a copy.
///
/// # Errors
/// See [`frame::decode`].
pub fn decode_request(message: &Bytes) -> Result<OwnedRequest, Error> {
    let (head, body): (OwnedHead, Bytes) = frame::decode("a request", message)?;
    let entry = match head.entry {
        OwnedWireEntry::Method { name, stream } => OwnedEntry::Method { name, stream },
        OwnedWireEntry::Route {
            id,
            method,
            path,
            query,
        } => OwnedEntry::Route {
            id,
            method,
            path,
            query,
        },
    };
    Ok(OwnedRequest {
        entry,
        headers: head.headers,
        body,
    })
}
