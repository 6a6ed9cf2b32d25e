//! Callers' deadlines, kept also where a provider does not keep them.
//!
//! A provider is told of the deadline and may know better what to say when it has passed: how far it came, or what
//! hangs. It has a moment for that. After it the work is dropped, which cancels everything behind it, and whatever
//! cleaning up there is goes on without the caller.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use plugin_api::{ByteStream, Error, ErrorCode, Fault, Retry};
use tokio::time::Instant;

use super::caller::Caller;
use crate::patience::within;

/// How long a provider has for its own last word.
const LAST_WORD: Duration = Duration::from_secs(2);

/// The outcome of a provider's work, if it comes in time for its caller.
///
/// # Errors
/// The work's own; `TIMEOUT` when the deadline has passed, and a moment more.
pub(super) async fn in_time<T>(
    caller: &Caller,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let Some(deadline) = caller.due() else {
        return work.await;
    };
    match within(pin!(work), || deadline + LAST_WORD).await {
        Some(outcome) => outcome,
        None => Err(too_late()),
    }
}

/// The same stream, which ends with a failure when it goes on past its caller's deadline.
pub(super) fn ended_in_time(caller: &Caller, stream: ByteStream) -> ByteStream {
    let Some(deadline) = caller.due() else {
        return stream;
    };
    let next = move |stream: Option<ByteStream>| async move {
        let mut stream = stream?;
        // One that always has a piece ready never comes to wait, and so to be late.
        if Instant::now() >= deadline + LAST_WORD {
            return Some((Err(too_late()), None));
        }
        let piece: Option<Result<Bytes, Error>> = within(pin!(stream.next()), || deadline + LAST_WORD)
            .await
            .unwrap_or_else(|| Some(Err(too_late())));
        let piece = piece?;
        let rest = piece.is_ok().then_some(stream);
        Some((piece, rest))
    };
    stream::unfold(Some(stream), next).boxed()
}

fn too_late() -> Error {
    Error::new(
        ErrorCode::TIMEOUT,
        Fault::Plugin,
        "the provider had no answer by the caller's deadline",
    )
    .retry(Retry::Now)
    .hint("allow it more time; if it hangs, `gleitzeit status` shows how its instances are")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn caller(patience: Option<Duration>) -> Caller {
        Caller {
            deadline: patience.map(|patience| SystemTime::now() + patience),
            ..Caller::host("r")
        }
    }

    const PATIENCE: Duration = Duration::from_secs(5);

    /// As far as seconds go; the wall clock does not stand still while time is simulated.
    fn took(begun: Instant) -> u64 {
        (begun.elapsed() + Duration::from_millis(500)).as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_hangs_ends_a_moment_after_its_callers_deadline() {
        let begun = Instant::now();
        let hangs = std::future::pending::<Result<(), Error>>();
        let error = in_time(&caller(Some(PATIENCE)), hangs).await.unwrap_err();
        assert_eq!((error.code, took(begun)), (ErrorCode::TIMEOUT, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn the_providers_own_last_word_counts() {
        let slow = async {
            tokio::time::sleep(PATIENCE + Duration::from_secs(1)).await;
            Ok("so far I came")
        };
        assert_eq!(in_time(&caller(Some(PATIENCE)), slow).await, Ok("so far I came"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_without_a_deadline_waits() {
        let slow = async {
            tokio::time::sleep(Duration::from_secs(100_000)).await;
            Ok(())
        };
        assert_eq!(in_time(&caller(None), slow).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_goes_on_for_ever_ends_with_the_reason() {
        let begun = Instant::now();
        let drips = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Some((Ok(Bytes::from_static(b"drip")), ()))
        });
        let heard: Vec<_> = ended_in_time(&caller(Some(PATIENCE)), drips.boxed())
            .collect()
            .await;
        let last = heard.last().unwrap().as_ref().unwrap_err();
        assert_eq!((heard.len(), last.code, took(begun)), (4, ErrorCode::TIMEOUT, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_always_has_more_ends_as_well() {
        let floods = stream::repeat(Ok(Bytes::from_static(b"flood"))).boxed();
        let mut stream = ended_in_time(&caller(Some(PATIENCE)), floods);
        for _ in 0..3 {
            assert!(stream.next().await.unwrap().is_ok());
            tokio::time::advance(Duration::from_secs(2)).await;
        }
        // The deadline has passed; what follows may be the last word.
        assert!(stream.next().await.unwrap().is_ok());
        tokio::time::advance(Duration::from_secs(2)).await;
        let last = stream.next().await.unwrap().unwrap_err();
        assert_eq!(last.code, ErrorCode::TIMEOUT);
        assert!(stream.next().await.is_none());
    }
}
