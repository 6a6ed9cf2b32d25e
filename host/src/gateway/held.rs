//! Answers held in memory until their clients have read them: bounded for one batch, and for all together.
//!
//! A result is counted from when it is handed over until it is written to the socket. What there is no room for is
//! answered with a failure in its place: one that nobody repeats by itself, because the work was done. Doing it again
//! would cost the same again, and have its effects twice, just when memory is short.

use std::sync::Arc;

use bytes::Bytes;
use plugin_api::{Error, ErrorCode, Fault};

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
    /// `TOO_LARGE` where they do not fit into the batch, or into the host: then the fault is the host's.
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

/// There is no room for an answer in the host. Not `RESOURCE_EXHAUSTED`, which says that nothing was begun.
pub(super) fn full() -> Error {
    Error::new(
        ErrorCode::TOO_LARGE,
        Fault::Host,
        "there is an answer, but those that have not been read yet fill the memory set aside for answers, or the half of it that one key may have",
    )
    .hint("the request was carried out, and would be once more if it were sent again; ask for less, or for a stream. The operator can raise `[host.limits] buffered_answer_bytes`")
}

fn beyond_batch(limit: u64) -> Error {
    Error::new(
        ErrorCode::TOO_LARGE,
        Fault::Client,
        format!("there is an answer, but with it those of the batch would be larger than {limit} bytes"),
    )
    .hint("the request was carried out, and would be once more if it were sent again; ask for less, in smaller batches, or by itself. The operator can raise `[host.limits] batch_answer_bytes`")
    .detail("limit", limit)
}
