//! What an attempt that came to nothing leaves behind.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use plugin_api::contract::outcome::Outcome;
use plugin_api::{Error, ErrorCode, Fault};

use super::read::ReadError;
use crate::dispatch::forward::answer::Answer;
use crate::dispatch::upstream::UpstreamError;

/// An attempt that came to nothing.
pub struct Failure {
    /// Who failed.
    pub instance: String,
    /// How.
    pub outcome: Outcome,
    /// The same for the client.
    pub error: Error,
    /// Whether another instance may do better.
    pub again: bool,
    /// The instance's own answer, to be passed on if no other has a better one.
    pub(super) answer: Option<Box<Answer>>,
}

impl Failure {
    /// Whether the instance said something that may be passed on.
    pub(in crate::dispatch::forward) fn has_answer(&self) -> bool {
        self.answer.is_some()
    }

    /// The last attempt has failed: the instance's own words where it has any, else ours.
    pub(in crate::dispatch::forward) fn give_up(
        self,
        attempts: u32,
        queued: Duration,
    ) -> Result<Answer, Error> {
        match self.answer {
            Some(answer) => Ok(Answer {
                attempts,
                queued,
                ..*answer
            }),
            None => Err(self
                .error
                .detail("instance", self.instance)
                .detail("attempts", attempts)
                .detail("outcome", self.outcome.label())),
        }
    }
}

/// Why an attempt failed, before the lease is settled.
pub(super) struct Trouble {
    pub outcome: Outcome,
    pub error: Error,
    pub again: bool,
    pub answer: Option<(StatusCode, HeaderMap, Bytes)>,
}

impl Trouble {
    /// Boxed, because it is rare and large, and what carries it is neither.
    pub(super) fn new(outcome: Outcome, error: Error, again: bool) -> Box<Self> {
        Box::new(Self {
            outcome,
            error,
            again,
            answer: None,
        })
    }
}

/// The host cannot send to this instance as it is configured.
pub(super) fn refused(why: &str) -> Box<Trouble> {
    let error = Error::new(ErrorCode::CONFIGURATION, Fault::Host, why);
    Trouble::new(Outcome::Misconfigured, error, true)
}

/// What the request needs could not be brought in.
pub(super) fn unprepared(error: Error) -> Box<Trouble> {
    let instances = error.fault == Fault::Instance;
    let outcome = if instances {
        Outcome::ServerError
    } else {
        Outcome::ClientError
    };
    Trouble::new(outcome, error, instances)
}

/// No head came back.
pub(super) fn unreached(instance: &str, error: &UpstreamError) -> Box<Trouble> {
    let outcome = error.outcome();
    let code = match outcome {
        Outcome::ConnectFailed => ErrorCode::CONNECTION_FAILED,
        _ => ErrorCode::STREAM_BROKEN,
    };
    Trouble::new(
        outcome,
        Error::instance(code, format!("{instance}: {error}")),
        true,
    )
}

/// The body of an answer did not come whole.
pub(super) fn unread(instance: &str, error: &ReadError) -> Box<Trouble> {
    let (outcome, code) = match error {
        ReadError::Broken => (Outcome::StreamBroken, ErrorCode::STREAM_BROKEN),
        ReadError::Silent(_) => (Outcome::TimedOut, ErrorCode::TIMEOUT),
    };
    Trouble::new(
        outcome,
        Error::instance(code, format!("{instance}: {error}")),
        true,
    )
}
