//! Server-sent events, as far as they are used here: the data of each event, in order.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::BoxStream;

use super::{Exit, Failure};

/// More than any one item may hold.
const LONGEST: usize = 64 << 20;

/// The data of each event of a body. Ends with a failure where the body ends before a response came, or breaks.
pub(super) struct Events {
    chunks: BoxStream<'static, Result<Bytes, Failure>>,
    line: Vec<u8>,
    data: Vec<u8>,
    ready: VecDeque<Bytes>,
    last_was_response: bool,
    ended: bool,
}

impl Events {
    pub(super) fn new(chunks: BoxStream<'static, Result<Bytes, Failure>>) -> Self {
        Self {
            chunks,
            line: Vec::new(),
            data: Vec::new(),
            ready: VecDeque::new(),
            last_was_response: false,
            ended: false,
        }
    }

    fn take(&mut self, chunk: &[u8]) {
        for &byte in chunk {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if line.is_empty() {
                if !self.data.is_empty() {
                    self.ready.push_back(std::mem::take(&mut self.data).into());
                }
            } else if let Some(rest) = line.strip_prefix(b"data:") {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data
                    .extend_from_slice(rest.strip_prefix(b" ").unwrap_or(rest));
            }
        }
    }

    fn fail(&mut self, failure: Failure) -> Poll<Option<Result<Bytes, Failure>>> {
        self.ended = true;
        Poll::Ready(Some(Err(failure)))
    }
}

impl Stream for Events {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(data) = self.ready.pop_front() {
                self.last_was_response = is_response(&data);
                return Poll::Ready(Some(Ok(data)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(self.chunks.as_mut().poll_next(context)) {
                Some(Ok(chunk)) => {
                    self.take(&chunk);
                    if self.line.len() + self.data.len() > LONGEST {
                        return self.fail(Failure::new(Exit::Failed, "an event is longer than 64 MiB"));
                    }
                }
                Some(Err(failure)) => return self.fail(failure),
                None if self.last_was_response => self.ended = true,
                None => {
                    return self.fail(
                        Failure::new(Exit::Failed, "the host's answer ended before it was complete")
                            .hint("its log says why"),
                    );
                }
            }
        }
    }
}

/// Whether an event is the response that ends a stream, rather than an item of it.
fn is_response(data: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Message {
        method: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Message>(data).is_ok_and(|message| message.method.is_none())
}
