//! A committed stream on its way to the client.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use plugin_api::contract::outcome::Outcome;
use plugin_api::manifest::Framing;
use plugin_api::{Error, ErrorCode};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::frames::Tail;
use super::judge::{Judge, Verdict};
use super::rename::Renamer;
use super::timer::{Expired, IdleTimer};
use crate::dispatch::upstream::UpstreamBody;

/// What happens when a committed stream has ended: the lease is released, and a failure becomes a last frame.
///
/// Dropped without [`ended`](Self::ended) when the client has gone away.
pub trait RelayEnd: Send {
    /// The stream has ended so.
    fn ended(&mut self, outcome: Outcome);
    /// The last frame that tells the client of a failure, in its dialect.
    ///
    /// # Errors
    /// Where frames cannot say it, the failure itself, which ends the stream.
    fn render(&self, error: Error) -> Result<Bytes, Error>;
}

/// A committed stream on its way to the client. Dropping it ends the request at the instance.
pub struct RelayBody<B = UpstreamBody> {
    pieces: VecDeque<Bytes>,
    /// `None` once it has ended.
    upstream: Option<B>,
    judge: Option<Judge>,
    tail: Tail,
    renamer: Option<Renamer>,
    end: Box<dyn RelayEnd>,
    idle: IdleTimer,
    stop: CancellationToken,
    /// Everything has been said.
    finished: bool,
    /// Made on the first wait; most short answers never need it.
    stopped: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl<B: Body<Data = Bytes> + Unpin> RelayBody<B> {
    /// A stream of which `pieces` were read already. Without a judge, bytes are only passed on.
    pub fn new(
        pieces: VecDeque<Bytes>,
        upstream: Option<B>,
        judge: Option<Judge>,
        renamer: Option<Renamer>,
        end: Box<dyn RelayEnd>,
        idle: IdleTimer,
        stop: CancellationToken,
    ) -> Self {
        Self {
            pieces,
            upstream,
            judge,
            tail: Tail::default(),
            renamer,
            end,
            idle,
            stop,
            finished: false,
            stopped: None,
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        let Some(upstream) = &mut self.upstream else {
            return Poll::Ready(None);
        };
        match Pin::new(upstream).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.idle.touch();
                // Trailers carry nothing a client of these dialects would miss; an empty piece stands for them.
                Poll::Ready(Some(Ok(frame.into_data().unwrap_or_default())))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(broken()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let stop = &self.stop;
                let stopped = self
                    .stopped
                    .get_or_insert_with(|| Box::pin(stop.clone().cancelled_owned()));
                if stopped.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Some(Err(stopping())));
                }
                Poll::Ready(Some(Err(match ready!(self.idle.poll_expired(context)) {
                    Expired::Idle => silent(self.idle.limit()),
                    Expired::Deadline => too_long(),
                })))
            }
        }
    }

    /// The stream is over: says how, and returns what is still to be sent.
    fn finish(&mut self, error: Option<Error>) -> Option<Result<Bytes, Error>> {
        self.upstream = None;
        self.finished = true;
        let at_line_start = self.tail.is_at_line_start();
        let mut out = BytesMut::from(&self.renamer.as_mut().map(Renamer::finish).unwrap_or_default()[..]);
        let (outcome, error) = match (error, self.last()) {
            // What goes wrong after the last frame of a complete answer concerns nobody any more.
            (_, Last::Frame(Verdict::Done)) | (None, Last::Unknown) => (Outcome::Success, None),
            // The instance has told the client itself; only the account is still open.
            (_, Last::Frame(Verdict::Failure(_))) => (Outcome::ServerError, None),
            (None, Last::Frame(_)) => (Outcome::StreamBroken, Some(broken())),
            (Some(error), _) => (outcome(&error), Some(error)),
        };
        self.end.ended(outcome);
        if let Some(error) = error {
            // Half a document cannot be mended by a frame; only a broken connection says it.
            if self.judge.is_none() {
                return Some(Err(error));
            }
            // A frame that was cut short must not run into this one.
            match self.judge.as_ref().map(Judge::framing) {
                Some(Framing::Sse) => out.extend_from_slice(b"\n\n"),
                _ if !at_line_start => out.extend_from_slice(b"\n"),
                _ => {}
            }
            match self.end.render(error) {
                Ok(frame) => out.extend_from_slice(&frame),
                Err(error) => return Some(Err(error)),
            }
        }
        (!out.is_empty()).then(|| Ok(out.freeze()))
    }

    /// What the last frame said.
    fn last(&mut self) -> Last {
        let Some(judge) = self.judge.as_ref().filter(|judge| judge.knows_the_end()) else {
            return Last::Unknown;
        };
        match std::mem::take(&mut self.tail).finish() {
            Some(line) => Last::Frame(judge.line(&line)),
            None => Last::Unknown,
        }
    }
}

/// What is known of the last frame of a stream.
enum Last {
    /// What it says.
    Frame(Verdict),
    /// The rules do not say how a stream ends, or it was too long to keep.
    Unknown,
}

fn broken() -> Error {
    Error::instance(
        ErrorCode::STREAM_BROKEN,
        "the instance broke off in the middle of its answer",
    )
    .hint("send the request again; it will go to another instance")
}

fn silent(limit: std::time::Duration) -> Error {
    let limit = humantime::format_duration(limit);
    Error::instance(
        ErrorCode::TIMEOUT,
        format!("the instance sent nothing for {limit} in the middle of its answer"),
    )
}

pub(in crate::dispatch) fn too_long() -> Error {
    let message = "the time limit of this request passed in the middle of the answer";
    Error::new(ErrorCode::TIMEOUT, plugin_api::Fault::Client, message)
        .hint("allow more time, or ask for a shorter answer")
}

/// What a client hears whose stream the host's own end cuts off.
pub(in crate::dispatch) fn stopping() -> Error {
    Error::new(
        ErrorCode::SHUTDOWN,
        plugin_api::Fault::Host,
        "the host is stopping and could not wait any longer",
    )
    .retry(plugin_api::Retry::Now)
}

fn outcome(error: &Error) -> Outcome {
    match error.code {
        // A limit of the caller's or the operator's for the whole says nothing of the instance.
        ErrorCode::TIMEOUT if error.fault == plugin_api::Fault::Client => Outcome::Cancelled,
        ErrorCode::TIMEOUT => Outcome::TimedOut,
        ErrorCode::SHUTDOWN => Outcome::Cancelled,
        _ => Outcome::StreamBroken,
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for RelayBody<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        loop {
            let out = match ready!(self.poll_piece(context)) {
                Some(Ok(piece)) => {
                    if self.judge.is_some() {
                        self.tail.push(&piece);
                    }
                    match &mut self.renamer {
                        Some(renamer) => renamer.push(&piece),
                        None => piece,
                    }
                }
                Some(Err(error)) => {
                    return Poll::Ready(self.finish(Some(error)).map(|last| last.map(Frame::data)));
                }
                None => return Poll::Ready(self.finish(None).map(|last| last.map(Frame::data))),
            };
            // hyper takes an empty piece for progress and asks again at once.
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out))));
            }
        }
    }
}
