//! Answers held in memory until their clients have read them: bounded for one batch, and for all together.
//!
//! A result is counted from when it is handed over until it is written to the socket. What there is no room for is
//! answered with a failure in its place.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use plugin_api::{Error, ErrorCode, Fault, Retry};

use super::body::SMALL;
use super::budget::Budget;

/// Where the answers to one request count. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Holding {
    all: Arc<Budget>,
    /// The batch's own, where it is one.
    batch: Option<Arc<Budget>>,
}

impl Holding {
    /// Of a request by itself.
    pub(super) fn single(all: &Arc<Budget>) -> Self {
        Self {
            all: all.clone(),
            batch: None,
        }
    }

    /// Of a batch, whose answers together have this limit.
    pub(super) fn batch(all: &Arc<Budget>, limit: u64) -> Self {
        Self {
            all: all.clone(),
            batch: Some(Budget::new(limit)),
        }
    }

    /// The bytes, which count until they are written.
    ///
    /// # Errors
    /// `TOO_LARGE` where they do not fit into the batch, `RESOURCE_EXHAUSTED` where they do not fit into the host.
    pub(super) fn hold(&self, bytes: Bytes) -> Result<Bytes, Error> {
        let Some(batch) = &self.batch else {
            return match bytes.len() <= SMALL {
                true => Ok(bytes),
                false => self.all.hold(bytes).ok_or_else(full),
            };
        };
        // Small ones as well: a batch has many of them.
        let bytes = batch.hold(bytes).ok_or_else(|| beyond_batch(batch.limit()))?;
        self.all.hold(bytes).ok_or_else(full)
    }
}

/// There is no room for an answer in the host.
pub(super) fn full() -> Error {
    Error::new(
        ErrorCode::RESOURCE_EXHAUSTED,
        Fault::Host,
        "there is an answer, but those that clients have not read yet fill the memory set aside for answers",
    )
    .retry(Retry::After(Duration::from_secs(1)))
    .hint("the request was carried out; to have its answer, send it again in a moment. The operator can raise `[host.limits] buffered_answer_bytes`")
}

fn beyond_batch(limit: u64) -> Error {
    Error::new(
        ErrorCode::TOO_LARGE,
        Fault::Client,
        format!("there is an answer, but with it those of the batch would be larger than {limit} bytes"),
    )
    .retry(Retry::Now)
    .hint("the request was carried out; to have its answer, send it again by itself or in a smaller batch. The operator can raise `[host.limits] batch_answer_bytes`")
    .detail("limit", limit)
}
