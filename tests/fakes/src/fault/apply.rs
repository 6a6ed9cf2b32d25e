//! How a fault shows: before the dialect is asked, or in what it answered.

use std::future;

use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};
use http::{Method, StatusCode, header};

use super::Fault;
use crate::reply::{Call, Dialect, Piece, Reply, ReplyBody, pause};

/// Something that is plainly not HTTP, and not valid UTF-8 either.
const GARBAGE: &[u8] = b"SSH-2.0-\xff\xfe not the protocol you are looking for\r\n\x00\x01\x02\r\n\r\n";

/// What becomes of a request before the dialect sees it.
pub(crate) enum Before {
    /// The dialect answers.
    Answer,
    /// This is the answer.
    Reply(Reply),
    /// These bytes are sent in place of HTTP, then the connection ends; if there are none it is reset.
    NoHttp(Option<Bytes>),
}

/// Lets `fault` have its way with a request that has just been read.
pub(crate) async fn before(fault: Option<&Fault>, call: &Call, dialect: &dyn Dialect) -> Before {
    let refusal = |status, why: &str| dialect.refusal(&call.path, status, why);
    let busy = || refusal(StatusCode::SERVICE_UNAVAILABLE, dialect.busy());
    Before::Reply(match fault {
        Some(Fault::Refuse) => return Before::NoHttp(None),
        Some(Fault::Garbage) => return Before::NoHttp(Some(Bytes::from_static(GARBAGE))),
        Some(Fault::HangBeforeHeaders) => future::pending().await,
        Some(Fault::SlowFirstByte(delay)) => {
            pause(*delay).await;
            return Before::Answer;
        }
        Some(Fault::Busy) => busy(),
        Some(Fault::BusyRetryAfter(seconds)) => busy().with_header(header::RETRY_AFTER, *seconds),
        Some(Fault::TooManyRequests(seconds)) => refusal(StatusCode::TOO_MANY_REQUESTS, "too many requests")
            .with_header(header::RETRY_AFTER, *seconds),
        Some(Fault::Error500) => refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "llama runner process has terminated: exit status 2",
        ),
        Some(Fault::Status { code, body }) => {
            let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Reply::whole(status, "application/json", body.clone())
        }
        _ => return Before::Answer,
    })
}

/// What is sent, spoiled or not.
pub(crate) struct Sent {
    pub(crate) parts: BoxStream<'static, Result<Bytes, Cut>>,
    /// The `Content-Length` that the headers promise, kept or not.
    pub(crate) length: Option<u64>,
}

/// The connection ends here, without the end of the body.
#[derive(Debug)]
pub(crate) struct Cut;

/// Lets `fault` have its way with the body of an answer to `method`.
///
/// Faults that count tokens leave anything but answers to POST alone: a list of models has no middle.
pub(crate) fn spoil(fault: Option<&Fault>, method: &Method, body: ReplyBody) -> Sent {
    let counts = method == Method::POST;
    match body {
        ReplyBody::Whole(bytes) => {
            let half = bytes.slice(..bytes.len() / 2);
            let then = match fault {
                Some(Fault::InvalidJson) => return Sent::whole(half),
                Some(Fault::HangAfterHeaders) => {
                    return Sent {
                        length: Some(bytes.len() as u64),
                        ..Sent::stalled()
                    };
                }
                Some(Fault::CutAfter(_)) if counts => cut(),
                Some(Fault::StallAfter(_)) if counts => stream::pending().boxed(),
                _ => return Sent::whole(bytes),
            };
            Sent {
                parts: one(half).chain(then).boxed(),
                length: Some(bytes.len() as u64),
            }
        }
        ReplyBody::Pieces { pieces, broken } => match fault {
            Some(Fault::HangAfterHeaders) => Sent::stalled(),
            Some(Fault::InvalidJson) => {
                let half = pieces
                    .take(1)
                    .map(|piece| Ok(piece.bytes.slice(..piece.bytes.len() / 2)));
                Sent {
                    parts: half.boxed(),
                    length: None,
                }
            }
            Some(Fault::CutAfter(tokens)) if counts => first(*tokens, pieces, cut()),
            Some(Fault::EndAfter(tokens)) if counts => first(*tokens, pieces, stream::empty().boxed()),
            Some(Fault::StallAfter(tokens)) if counts => first(*tokens, pieces, stream::pending().boxed()),
            Some(Fault::ErrorLineAfter(tokens)) if counts => first(*tokens, pieces, one(broken)),
            _ => Sent {
                parts: pieces.map(|piece| Ok(piece.bytes)).boxed(),
                length: None,
            },
        },
    }
}

impl Sent {
    fn whole(bytes: Bytes) -> Self {
        Self {
            length: Some(bytes.len() as u64),
            parts: one(bytes),
        }
    }

    fn stalled() -> Self {
        Self {
            parts: stream::pending().boxed(),
            length: None,
        }
    }
}

fn one(bytes: Bytes) -> BoxStream<'static, Result<Bytes, Cut>> {
    stream::iter((!bytes.is_empty()).then_some(Ok(bytes))).boxed()
}

fn cut() -> BoxStream<'static, Result<Bytes, Cut>> {
    stream::iter([Err(Cut)]).boxed()
}

/// The pieces up to the last of `tokens` tokens, or all if there are fewer, and `then` what follows. Framing that comes
/// before the first token (the role, in one dialect) is sent even if no token is.
fn first(
    tokens: usize,
    pieces: BoxStream<'static, Piece>,
    then: BoxStream<'static, Result<Bytes, Cut>>,
) -> Sent {
    let begun = stream::unfold((pieces, tokens, false), |(mut pieces, left, any)| async move {
        if left == 0 && any {
            return None;
        }
        let piece = pieces.next().await?;
        let left = if piece.token { left.checked_sub(1)? } else { left };
        Some((Ok(piece.bytes), (pieces, left, any || piece.token)))
    });
    Sent {
        parts: begun.chain(then).boxed(),
        length: None,
    }
}
