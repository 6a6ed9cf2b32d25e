//! Reading a request's body: bounded in size, in time, and together with all others.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use plugin_api::{Error, ErrorCode, Fault, Retry};
use tokio::time::Instant;

use super::backend::BoxError;
use super::budget::Budget;
use crate::config::settings::Limits;
use crate::patience::within;

/// Bodies up to this size, of requests and of answers, are not counted in a budget: the limit on concurrent requests
/// bounds them already, and counting costs an allocation.
pub(super) const SMALL: usize = 16 << 10;

/// Reads the whole body.
///
/// What a client claims is believed only against it: a `content-length` beyond the limit is refused before a
/// byte is read, and memory is taken as bytes arrive, not as they are promised.
///
/// # Errors
/// Too large, too slow, cut off, or the host holds too much already. After an error the connection must be
/// closed: the rest of the body is still in it.
pub(super) async fn read<B>(mut body: B, limits: &Limits, budget: &Arc<Budget>) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let promised = body.size_hint().lower();
    if promised > limits.body_bytes {
        return Err(too_large(limits).detail("content_length", promised));
    }
    let until = Instant::now() + limits.body_timeout;
    let Some(first) = next(&mut body, until, limits).await? else {
        return Ok(Bytes::new());
    };
    if first.len() <= SMALL && body.is_end_stream() {
        return Ok(first);
    }

    let mut share = budget.share();
    let mut whole = BytesMut::with_capacity(first.len().max(SMALL));
    let mut chunk = Some(first);
    while let Some(bytes) = chunk {
        if whole.len() as u64 + bytes.len() as u64 > limits.body_bytes {
            return Err(too_large(limits));
        }
        if !share.grow(bytes.len() as u64) {
            return Err(full());
        }
        whole.extend_from_slice(&bytes);
        chunk = if body.is_end_stream() {
            None
        } else {
            next(&mut body, until, limits).await?
        };
    }
    Ok(share.bind(whole.freeze()))
}

/// The next piece; `None` at the end. Trailers are dropped: nobody above knows them.
async fn next<B>(body: &mut B, until: Instant, limits: &Limits) -> Result<Option<Bytes>, Error>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    loop {
        let idle = || Instant::now() + limits.body_idle_timeout;
        match within(pin!(body.frame()), || until.min(idle())).await {
            Some(None) => return Ok(None),
            Some(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(_trailers) => continue,
            },
            Some(Some(Err(error))) => return Err(broken(error.into())),
            None if Instant::now() >= until => {
                return Err(slow("its body took longer than", limits.body_timeout));
            }
            None => return Err(slow("its body paused for longer than", limits.body_idle_timeout)),
        }
    }
}

fn too_large(limits: &Limits) -> Error {
    Error::new(
        ErrorCode::TOO_LARGE,
        Fault::Client,
        format!("the request's body is larger than {} bytes", limits.body_bytes),
    )
    .hint("send less, or have the operator raise `[host.limits] body_bytes`")
    .detail("limit", limits.body_bytes)
}

fn full() -> Error {
    Error::new(
        ErrorCode::RESOURCE_EXHAUSTED,
        Fault::Host,
        "the bodies of the requests in flight fill the memory set aside for them",
    )
    .retry(Retry::After(Duration::from_secs(1)))
    .hint("try again in a moment; the operator can raise `[host.limits] buffered_bytes`")
}

fn slow(what: &str, limit: Duration) -> Error {
    Error::new(
        ErrorCode::CLIENT_TIMEOUT,
        Fault::Client,
        format!(
            "the request came too slowly: {what} {}",
            humantime::format_duration(limit)
        ),
    )
}

fn broken(error: BoxError) -> Error {
    Error::new(
        ErrorCode::INVALID_REQUEST,
        Fault::Client,
        format!("the request's body broke off or is malformed: {error}"),
    )
}

#[cfg(test)]
mod tests;
