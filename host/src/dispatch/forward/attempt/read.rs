//! Reading a body that is short enough to be looked at before it is passed on.

use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;

use plugin_api::manifest::Framing;
use tokio::time::Instant;

use crate::dispatch::relay::Judge;
use crate::patience::within;

/// A body up to this size is read before it is passed on, so that an instance that breaks off in the middle of it
/// costs the client nothing.
pub(super) const WHOLE: usize = 1 << 20;

/// The beginning of a body, or all of it.
pub(super) struct Read {
    pub bytes: Bytes,
    /// It goes on; the rest was left where it is.
    pub more: bool,
}

/// Why a body did not come whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReadError {
    /// The connection broke.
    #[error("it broke off in the middle of its answer")]
    Broken,
    /// Nothing came for so long.
    #[error("it sent nothing for {} in the middle of its answer", humantime::format_duration(*.0))]
    Silent(Duration),
}

/// Reads until the end or a little more than `most` bytes.
///
/// # Errors
/// See [`ReadError`].
pub(super) async fn read<B>(body: &mut B, most: usize, idle: Duration) -> Result<Read, ReadError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let mut first = Bytes::new();
    let mut all: Option<BytesMut> = None;
    let more = loop {
        let held = all.as_ref().map_or(first.len(), BytesMut::len);
        if held > most || (most == 0 && held == 0 && !body.is_end_stream()) {
            break true;
        }
        let piece = match within(pin!(body.frame()), || Instant::now() + idle).await {
            Some(None) => break false,
            Some(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Some(Some(Err(_))) => return Err(ReadError::Broken),
            None => return Err(ReadError::Silent(idle)),
        };
        // Most answers are one piece, which is passed on without a copy.
        match &mut all {
            Some(all) => all.extend_from_slice(&piece),
            None if first.is_empty() => first = piece,
            None => all.insert(BytesMut::from(&first[..])).extend_from_slice(&piece),
        }
        if body.is_end_stream() {
            break false;
        }
    };
    let bytes = all.map_or(first, BytesMut::freeze);
    Ok(Read { bytes, more })
}

/// Streams are known by what the instance says they are.
pub(super) fn is_stream(headers: &HeaderMap, judge: &Judge) -> bool {
    let kind = content_type(headers);
    match judge.framing() {
        Framing::Whole => false,
        Framing::Ndjson => kind.starts_with("application/x-ndjson"),
        Framing::Sse => kind.starts_with("text/event-stream"),
    }
}

/// Streams that no judge knows must not be waited for.
pub(super) fn is_endless(headers: &HeaderMap) -> bool {
    let kind = content_type(headers);
    kind.starts_with("text/event-stream") || kind.starts_with("application/x-ndjson")
}

fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream::{self, StreamExt};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    fn piece(text: &'static str) -> Result<Frame<Bytes>, Infallible> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test(start_paused = true)]
    async fn silence_in_the_middle_is_silence_and_no_break() {
        let idle = Duration::from_secs(7);
        let mut body = StreamBody::new(stream::iter([piece("half")]).chain(stream::pending()));
        assert_eq!(
            read(&mut body, WHOLE, idle).await.err(),
            Some(ReadError::Silent(idle))
        );
    }

    #[tokio::test]
    async fn a_broken_connection_is_a_break() {
        let broken = Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        let half = Ok(Frame::data(Bytes::from_static(b"half")));
        let mut body = StreamBody::new(stream::iter([half, broken]));
        let idle = Duration::from_secs(7);
        assert_eq!(read(&mut body, WHOLE, idle).await.err(), Some(ReadError::Broken));
    }

    #[tokio::test]
    async fn what_is_too_much_stays_where_it_is() {
        let mut body = StreamBody::new(stream::iter([piece("one"), piece("two"), piece("three")]));
        let read = read(&mut body, 4, Duration::from_secs(7)).await.unwrap();
        assert_eq!((&read.bytes[..], read.more), (b"onetwo".as_slice(), true));
    }
}
