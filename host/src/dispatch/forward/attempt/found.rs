//! What an attempt found, and the answer that is made of it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use plugin_api::contract::outcome::Outcome;
use plugin_api::manifest::Framing;
use plugin_api::{Error, ErrorCode, ResourceInstance};
use tokio::time::Instant;

use super::Attempt;
use super::failure::{Trouble, unread};
use super::read::{self, Read, WHOLE, is_endless};
use crate::dispatch::forward::MakeEnd;
use crate::dispatch::forward::answer::{Answer, AnswerBody, passed_headers};
use crate::dispatch::forward::outgoing::Outgoing;
use crate::dispatch::relay::{HoldError, IdleTimer, Judge, RelayBody, Renamer, hold};
use crate::dispatch::upstream::UpstreamBody;
use crate::pool::Lease;

/// What one attempt found out, before the lease is settled.
pub(super) enum Found {
    Whole {
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    },
    Stream {
        status: StatusCode,
        headers: HeaderMap,
        pieces: VecDeque<Bytes>,
        rest: Option<UpstreamBody>,
        judged: bool,
    },
}

impl Attempt<'_> {
    /// Holds a stream until it says something.
    pub(super) async fn stream(
        &self,
        response: Response<UpstreamBody>,
        judge: &Judge,
    ) -> Result<Found, Box<Trouble>> {
        let (head, mut body) = response.into_parts();
        let settings = self.pool.settings();
        // Until the first meaningful frame the first-byte limit is in force, so silence has no limit of its own.
        let held = hold(
            &mut body,
            judge,
            settings.retry.hold_bytes,
            settings.timeouts.first_byte,
        )
        .await;
        let holding = held.map_err(|error| {
            let outcome = match error {
                HoldError::Failure(_) | HoldError::Garbage => Outcome::ServerError,
                HoldError::Broken => Outcome::StreamBroken,
                HoldError::Silent(_) => Outcome::TimedOut,
            };
            Trouble::new(
                outcome,
                Error::instance(ErrorCode::UPSTREAM_ERROR, error.to_string()),
                true,
            )
        })?;
        let rest = (!holding.ended).then_some(body);
        Ok(Found::Stream {
            status: head.status,
            headers: head.headers,
            pieces: holding.pieces,
            rest,
            judged: true,
        })
    }

    /// Reads a body that is no stream, as far as that makes sense.
    pub(super) async fn whole(
        &self,
        response: Response<UpstreamBody>,
        judge: Option<&Judge>,
        instance: &str,
    ) -> Result<Found, Box<Trouble>> {
        let (head, mut body) = response.into_parts();
        let most = if is_endless(&head.headers) { 0 } else { WHOLE };
        let Read { bytes, more } = read::read(&mut body, most, self.pool.settings().timeouts.idle)
            .await
            .map_err(|error| unread(instance, &error))?;
        if more {
            let pieces = VecDeque::from([bytes]);
            return Ok(Found::Stream {
                status: head.status,
                headers: head.headers,
                pieces,
                rest: Some(body),
                judged: false,
            });
        }
        if let Some(message) = judge.and_then(|judge| judge.whole(&bytes)) {
            return Err(Box::new(Trouble {
                outcome: Outcome::ServerError,
                error: Error::instance(ErrorCode::UPSTREAM_ERROR, message),
                again: true,
                answer: Some((head.status, head.headers, bytes)),
            }));
        }
        Ok(Found::Whole {
            status: head.status,
            headers: head.headers,
            body: bytes,
        })
    }

    /// The answer as it goes to the client. The lease ends here, or goes into the stream.
    pub(super) fn answer(
        &self,
        lease: Lease,
        instance: Arc<ResourceInstance>,
        outgoing: &Outgoing,
        found: Found,
        end: MakeEnd<'_>,
    ) -> Answer {
        let renamer = |framing| {
            let (judge, name) = (outgoing.judge.as_ref()?, outgoing.rename.as_deref()?);
            Some(Renamer::new(judge.model()?, name, framing))
        };
        let dialect = outgoing.dialect.clone();
        match found {
            Found::Whole {
                status,
                headers,
                body,
            } => {
                lease.finish(Outcome::Success);
                let body = renamer(Framing::Whole).map_or(body.clone(), |renamer| renamer.whole(&body));
                self.wrap(instance, dialect, status, headers, AnswerBody::Whole(body))
            }
            Found::Stream {
                status,
                headers,
                pieces,
                rest,
                judged,
            } => {
                let timeouts = &self.pool.settings().timeouts;
                let total = Instant::now() + timeouts.total;
                let until = self.deadline.map_or(total, |deadline| deadline.min(total));
                let judge = outgoing.judge.clone().filter(|_| judged);
                let framing = judge.as_ref().map_or(Framing::Whole, Judge::framing);
                let relay = RelayBody::new(
                    pieces,
                    rest,
                    judge,
                    renamer(framing),
                    end(lease),
                    IdleTimer::new(timeouts.idle, Some(until)),
                    self.job.caller.stop.clone(),
                );
                self.wrap(
                    instance,
                    dialect,
                    status,
                    headers,
                    AnswerBody::Stream(Box::new(relay)),
                )
            }
        }
    }

    pub(super) fn wrap(
        &self,
        instance: Arc<ResourceInstance>,
        dialect: Option<String>,
        status: StatusCode,
        headers: HeaderMap,
        body: AnswerBody,
    ) -> Answer {
        let (attempts, queued) = (self.attempts, self.queued);
        Answer {
            status,
            headers: passed_headers(headers),
            body,
            instance,
            dialect,
            attempts,
            queued,
        }
    }
}
