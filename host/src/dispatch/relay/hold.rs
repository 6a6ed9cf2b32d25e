//! Holding an answer back until it is worth something, so that until then another instance may give it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;

use super::frames::Lines;
use super::judge::{Judge, Verdict};

/// What was read of a stream that is now committed.
#[derive(Debug, Default)]
pub struct Holding {
    /// The pieces, as they came.
    pub pieces: VecDeque<Bytes>,
    /// The stream is at its end already.
    pub ended: bool,
}

/// Why a stream is not worth passing on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// A failure in the guise of an answer.
    #[error("{0}")]
    Failure(String),
    /// Not what the framing promises.
    #[error("it answered with something that is not the format it announced")]
    Garbage,
    /// The stream broke or ended before it said anything.
    #[error("it broke off before it had answered")]
    Broken,
    /// It was silent for too long.
    #[error("it was silent for {}", humantime::format_duration(*.0))]
    Silent(Duration),
}

/// Reads until the first meaningful frame, the end, or `most` bytes. Dropping it drops the stream.
///
/// # Errors
/// See [`HoldError`]; the answer may be had from another instance.
pub async fn hold<B>(body: &mut B, judge: &Judge, most: usize, idle: Duration) -> Result<Holding, HoldError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut holding = Holding::default();
    let (mut lines, mut held) = (Lines::default(), 0);
    loop {
        let frame = tokio::time::timeout(idle, body.frame())
            .await
            .map_err(|_| HoldError::Silent(idle))?;
        let piece = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) => piece,
                Err(_trailers) => continue,
            },
            Some(Err(_)) => return Err(HoldError::Broken),
            None => {
                holding.ended = true;
                return match judge.line(&lines.rest()) {
                    Verdict::Failure(message) => Err(HoldError::Failure(message)),
                    Verdict::Done | Verdict::Meaningful => Ok(holding),
                    Verdict::Garbage => Err(HoldError::Garbage),
                    Verdict::Nothing | Verdict::Preamble if judge.knows_the_end() => Err(HoldError::Broken),
                    Verdict::Nothing | Verdict::Preamble => Ok(holding),
                };
            }
        };
        held += piece.len();
        lines.push(&piece);
        holding.pieces.push_back(piece);
        while let Some(line) = lines.next() {
            match judge.line(&line) {
                Verdict::Failure(message) => return Err(HoldError::Failure(message)),
                Verdict::Garbage => return Err(HoldError::Garbage),
                Verdict::Meaningful | Verdict::Done => return Ok(holding),
                Verdict::Nothing | Verdict::Preamble => {}
            }
        }
        if held > most {
            return Ok(holding);
        }
    }
}
