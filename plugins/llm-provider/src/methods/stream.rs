//! Frames of an instance's stream, in either framing.

use bytes::{Buf, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use plugin_api::{ByteStream, Error, ErrorCode};
use serde_json::Value;

/// A frame longer than this ends the stream with an error.
const LONGEST: usize = 32 << 20;

/// The JSON frames of a stream: lines, with or without `data:` before them. What is neither is passed over, and so
/// is `[DONE]`. Ends after the first error.
pub(super) fn frames(body: ByteStream) -> BoxStream<'static, Result<Value, Error>> {
    let state = (body, BytesMut::new(), false);
    stream::unfold(state, |(mut body, mut held, mut ended)| async move {
        loop {
            if let Some(end) = held.iter().position(|byte| *byte == b'\n') {
                let line = held.split_to(end);
                held.advance(1);
                if let Some(frame) = frame(&line) {
                    let failed = frame.is_err();
                    return Some((frame, (body, held, ended || failed)));
                }
                continue;
            }
            if ended {
                let line = held.split();
                return frame(&line).map(|frame| (frame, (body, held, true)));
            }
            match body.next().await {
                Some(Ok(piece)) if held.len() + piece.len() <= LONGEST => held.extend_from_slice(&piece),
                Some(Ok(_)) => {
                    let error = Error::instance(ErrorCode::TOO_LARGE, "one frame of the answer is too large");
                    return Some((Err(error), (stream::empty().boxed(), BytesMut::new(), true)));
                }
                Some(Err(error)) => {
                    return Some((Err(error), (stream::empty().boxed(), BytesMut::new(), true)));
                }
                None => ended = true,
            }
        }
    })
    .boxed()
}

fn frame(line: &[u8]) -> Option<Result<Value, Error>> {
    let line = line.trim_ascii();
    let json = line.strip_prefix(b"data:").unwrap_or(line).trim_ascii();
    if !json.starts_with(b"{") {
        return None;
    }
    let told = |value: Value| match value.get("error").filter(|error| !error.is_null()) {
        None => Ok(value),
        Some(error) => {
            let text = error.get("message").unwrap_or(error);
            let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
            Err(Error::instance(ErrorCode::STREAM_BROKEN, text))
        }
    };
    let nonsense = |error: serde_json::Error| {
        Error::instance(
            ErrorCode::UPSTREAM_ERROR,
            format!("the instance streamed bad JSON: {error}"),
        )
    };
    Some(serde_json::from_slice(json).map_err(nonsense).and_then(told))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    async fn all(text: &'static str, cut: usize) -> Vec<Result<Value, Error>> {
        let pieces = [
            Ok(Bytes::from_static(&text.as_bytes()[..cut])),
            Ok(Bytes::from_static(&text.as_bytes()[cut..])),
        ];
        frames(stream::iter(pieces).boxed()).collect().await
    }

    #[tokio::test]
    async fn frames_are_found_in_either_framing_however_the_stream_is_cut() {
        for text in [
            "{\"a\":1}\n{\"a\":2}\n",
            "data: {\"a\":1}\n\n: ping\n\ndata: {\"a\":2}\n\ndata: [DONE]\n\n",
            "{\"a\":1}\n{\"a\":2}",
        ] {
            for cut in 0..text.len() {
                let found: Vec<_> = all(text, cut)
                    .await
                    .into_iter()
                    .map(|frame| frame.unwrap()["a"].clone())
                    .collect();
                assert_eq!(found, [1, 2], "{text:?} cut at {cut}");
            }
        }
    }

    #[tokio::test]
    async fn an_error_in_a_frame_is_an_error() {
        let found = all("{\"a\":1}\n{\"error\":\"boom\"}\n", 3).await;
        assert_eq!(found[1].as_ref().unwrap_err().message, "boom");
    }
}
