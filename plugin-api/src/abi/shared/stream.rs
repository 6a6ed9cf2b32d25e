//! Streams across the boundary: produced on one side's runtime, pulled by the other.

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{RErr, RNone, ROk, ROption, RSome};
use async_ffi::{BorrowingFfiFuture, FutureExt as _};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::bytes::{received, sent};
use super::task::AbortOnDrop;
use crate::abi::raw::{AbiError, BytesResult, RawStream, RawStream_TO, RawStreamBox};
use crate::{ByteStream, Error, ErrorCode, Fault};

/// How many items wait for a slow reader before the producer does.
const AHEAD: usize = 16;

/// Where a producer puts its items. The end is said, never inferred: a producer that vanishes is a failure, or a
/// broken answer would pass for a whole one.
#[derive(Debug, Clone)]
pub struct Producer(mpsc::Sender<Option<Result<Bytes, Error>>>);

impl Producer {
    /// Hands over an item, waiting for room. `false`: nobody reads any more.
    pub async fn send(&self, item: Result<Bytes, Error>) -> bool {
        self.0.send(Some(item)).await.is_ok()
    }

    /// Says that the stream is complete.
    pub async fn end(self) {
        let _ = self.0.send(None).await;
    }

    /// Hands over everything that a stream yields, then its end. Stops when nobody reads any more.
    pub async fn drain(self, mut stream: ByteStream) {
        while let Some(item) = stream.next().await {
            let failed = item.is_err();
            if !self.send(item).await || failed {
                return;
            }
        }
        self.end().await;
    }
}

/// The reading end of a [`Producer`], to be joined with the task that feeds it by [`raw`].
#[derive(Debug)]
pub struct Reader(mpsc::Receiver<Option<Result<Bytes, Error>>>);

/// A channel for the items of one stream.
pub fn channel() -> (Producer, Reader) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    (Producer(sender), Reader(receiver))
}

/// A stream as it crosses: what the task produces comes out of the reader, and dropping the stream ends the task.
pub fn raw<T: Send + 'static>(reader: Reader, task: AbortOnDrop<T>) -> RawStreamBox {
    RawStream_TO::from_value(
        Produced {
            reader: Some(reader),
            _task: task,
        },
        TD_Opaque,
    )
}

struct Produced<T> {
    reader: Option<Reader>,
    _task: AbortOnDrop<T>,
}

impl<T: Send + 'static> RawStream for Produced<T> {
    fn next(&mut self) -> BorrowingFfiFuture<'_, ROption<BytesResult>> {
        async move {
            let Some(reader) = &mut self.reader else {
                return RNone;
            };
            match reader.0.recv().await {
                Some(Some(Ok(bytes))) => RSome(ROk(sent(bytes))),
                Some(None) => {
                    self.reader = None;
                    RNone
                }
                Some(Some(Err(error))) => {
                    self.reader = None;
                    RSome(RErr(error.into()))
                }
                None => {
                    self.reader = None;
                    RSome(RErr(vanished().into()))
                }
            }
        }
        .into_ffi()
    }
}

fn vanished() -> Error {
    Error::new(
        ErrorCode::STREAM_BROKEN,
        Fault::Plugin,
        "the producer of the stream was stopped before its end",
    )
}

/// The next item of a stream that crossed; `None` at its end.
pub async fn next(stream: &mut RawStreamBox) -> Option<Result<Bytes, Error>> {
    match stream.next().await {
        RSome(ROk(bytes)) => Some(Ok(received(bytes))),
        RSome(RErr(error)) => Some(Err(error.into())),
        RNone => None,
    }
}

/// A stream that crossed, as an ordinary one. Ends after the first failure.
pub fn ordinary(stream: RawStreamBox) -> ByteStream {
    futures_util::stream::unfold(Some(stream), |stream| async move {
        let mut stream = stream?;
        let item = next(&mut stream).await?;
        let rest = item.is_ok().then_some(stream);
        Some((item, rest))
    })
    .boxed()
}

/// For those who answer an `open` with an error of ours.
pub(crate) fn refused(error: Error) -> abi_stable::std_types::RResult<crate::abi::raw::RawOpened, AbiError> {
    RErr(error.into())
}
