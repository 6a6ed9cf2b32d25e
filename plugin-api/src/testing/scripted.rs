//! What a test host answers with.

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::{ByteStream, Error};

/// An instance's answer to a forwarded request, as a test scripts it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: Vec<(String, String)>,
    /// The body, chunk by chunk; an `Err` breaks it off.
    pub chunks: Vec<Result<Bytes, Error>>,
    /// Whether the body stays open after the last chunk, until it is dropped.
    pub hangs: bool,
}

impl Answer {
    /// One JSON body.
    pub fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            chunks: vec![Ok(value.to_string().into())],
            hangs: false,
        }
    }

    /// A streamed body of status 200.
    pub fn stream<C: Into<Bytes>>(chunks: impl IntoIterator<Item = C>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            chunks: chunks.into_iter().map(|chunk| Ok(chunk.into())).collect(),
            hangs: false,
        }
    }

    /// The same answer, broken off by this failure after its last chunk.
    pub fn then_breaks(mut self, error: Error) -> Self {
        self.chunks.push(Err(error));
        self
    }

    /// The same answer, left open after its last chunk.
    pub fn then_hangs(mut self) -> Self {
        self.hangs = true;
        self
    }

    pub(super) fn body(&self) -> ByteStream {
        let chunks = futures_util::stream::iter(self.chunks.clone());
        if self.hangs {
            chunks.chain(futures_util::stream::pending()).boxed()
        } else {
            chunks.boxed()
        }
    }
}
