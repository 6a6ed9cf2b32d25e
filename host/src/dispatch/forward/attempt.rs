//! One attempt: prepare the instance, send, judge what comes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::BodyExt;
use plugin_api::contract::outcome::Outcome;
use plugin_api::manifest::Framing;
use plugin_api::{Error, ErrorCode, Fault, ResourceInstance, Retry};
use tokio::time::Instant;

use super::answer::{Answer, AnswerBody, passed_headers};
use super::classify::Class;
use super::outgoing::Outgoing;
use super::{Job, MakeEnd};
use crate::dispatch::relay::{HoldError, IdleTimer, Judge, RelayBody, Renamer, hold};
use crate::dispatch::upstream::{Target, Upstream, UpstreamBody, UpstreamError};
use crate::pool::{Lease, Pool};

/// A body up to this size is read before it is passed on, so that an instance that breaks off in the middle of it
/// costs the client nothing.
const WHOLE: usize = 1 << 20;
/// An attempt that has taken this long is watched more closely: it is given up when probes find its instance
/// unhealthy. Before that, watching would cost more than it saves.
const WATCH_AFTER: Duration = Duration::from_millis(250);

/// One attempt of a request.
pub(super) struct Attempt<'a> {
    pub upstream: &'a Upstream,
    pub pool: &'a Pool,
    pub job: &'a Job<'a>,
    pub deadline: Option<Instant>,
    pub attempts: u32,
    pub queued: Duration,
}

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
    answer: Option<Box<Answer>>,
}

impl Failure {
    /// Whether the instance said something that may be passed on.
    pub(super) fn has_answer(&self) -> bool {
        self.answer.is_some()
    }

    /// The last attempt has failed: the instance's own words where it has any, else ours.
    pub(super) fn give_up(self, attempts: u32, queued: Duration) -> Result<Answer, Error> {
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

/// What one attempt found out, before the lease is settled.
enum Found {
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

/// Why an attempt failed, before the lease is settled.
struct Trouble {
    outcome: Outcome,
    error: Error,
    again: bool,
    answer: Option<(StatusCode, HeaderMap, Bytes)>,
}

impl Trouble {
    /// Boxed, because it is rare and large, and what carries it is neither.
    fn new(outcome: Outcome, error: Error, again: bool) -> Box<Self> {
        Box::new(Self {
            outcome,
            error,
            again,
            answer: None,
        })
    }
}

impl Attempt<'_> {
    /// Runs it. The lease ends with a whole answer or a failure, or goes into the stream.
    pub(super) async fn run(&self, lease: Lease, end: MakeEnd<'_>) -> Result<Answer, Failure> {
        let instance = lease.instance().clone();
        let found = match self.outgoing(&instance) {
            Ok(outgoing) => self
                .exchange(&lease, outgoing)
                .await
                .map(|found| (found, outgoing)),
            Err(error) => Err(Trouble::new(Outcome::Cancelled, error, false)),
        };
        match found {
            Ok((found, outgoing)) => Ok(self.answer(lease, instance, outgoing, found, end)),
            Err(trouble) => {
                lease.finish(trouble.outcome);
                let answer = trouble.answer.map(|(status, headers, body)| {
                    Box::new(self.wrap(instance.clone(), None, status, headers, AnswerBody::Whole(body)))
                });
                Err(Failure {
                    instance: instance.id.clone(),
                    outcome: trouble.outcome,
                    error: trouble.error,
                    again: trouble.again,
                    answer,
                })
            }
        }
    }

    fn outgoing(&self, instance: &ResourceInstance) -> Result<&Outgoing, Error> {
        let speaks = |outgoing: &&Outgoing| {
            outgoing
                .dialect
                .as_ref()
                .is_none_or(|dialect| instance.dialects.contains(dialect))
        };
        self.job.outgoing.iter().find(speaks).ok_or_else(|| {
            Error::new(
                ErrorCode::INTERNAL_ERROR,
                Fault::Host,
                "an instance was chosen that speaks none of the dialects",
            )
        })
    }

    /// Everything up to the first meaningful byte, within its time limit, and given up early when the instance is
    /// found to be unhealthy.
    async fn exchange(&self, lease: &Lease, outgoing: &Outgoing) -> Result<Found, Box<Trouble>> {
        self.prepare(lease).await?;
        let begun = Instant::now();
        let limit = self.pool.settings().timeouts.first_byte;
        let due = self
            .deadline
            .map_or(begun + limit, |deadline| deadline.min(begun + limit));
        let mut work = std::pin::pin!(self.work(lease, outgoing));
        if let Ok(found) = tokio::time::timeout_at(due.min(begun + WATCH_AFTER), work.as_mut()).await {
            return found;
        }
        tokio::select! {
            biased;
            found = work => found,
            () = lease.lost() => Err(Trouble::new(Outcome::TimedOut, Error::instance(ErrorCode::UNHEALTHY, format!("{} became unhealthy while it was at work", lease.instance().id)), true)),
            () = tokio::time::sleep_until(due) => Err(self.too_late(begun, due)),
        }
    }

    /// Brings in what the instance has to have first. The engine limits its time, which is not the answer's: a large
    /// model may well take longer to fetch than any answer may.
    async fn prepare(&self, lease: &Lease) -> Result<(), Box<Trouble>> {
        if lease.preparation().is_none() {
            return Ok(());
        }
        let begun = Instant::now();
        let context = super::context(self.job.caller);
        let preparing = self.pool.prepare(lease, &self.job.requirement, context);
        match self.deadline {
            Some(due) => match tokio::time::timeout_at(due, preparing).await {
                Ok(prepared) => prepared.map_err(unprepared),
                Err(_) => Err(self.too_late(begun, due)),
            },
            None => preparing.await.map_err(unprepared),
        }
    }

    fn too_late(&self, begun: Instant, due: Instant) -> Box<Trouble> {
        // The caller's deadline is no fault of the instance; its own time limit is.
        let callers = self.deadline.is_some_and(|deadline| deadline <= due);
        let outcome = if callers {
            Outcome::Cancelled
        } else {
            Outcome::TimedOut
        };
        Trouble::new(outcome, super::too_late(begun.elapsed()), !callers)
    }

    async fn work(&self, lease: &Lease, outgoing: &Outgoing) -> Result<Found, Box<Trouble>> {
        let target = self.target(lease)?;
        let request = outgoing
            .request(&target)
            .ok_or_else(|| refused("the path cannot be asked of this instance"))?;
        let timeouts = &self.pool.settings().timeouts;
        let response = self
            .upstream
            .send(lease.key(), &target, request, timeouts.connect)
            .await
            .map_err(|error| unreached(&lease.instance().id, &error))?;
        if !response.status().is_success() {
            return Err(self
                .refusal(response, &target, outgoing, &lease.instance().id)
                .await);
        }
        let found = match outgoing
            .judge
            .as_ref()
            .filter(|judge| is_stream(&response, judge))
        {
            Some(judge) => self.stream(response, judge).await?,
            None => self.whole(response, outgoing.judge.as_ref()).await?,
        };
        lease.first_byte();
        Ok(found)
    }

    fn target(&self, lease: &Lease) -> Result<Arc<Target>, Box<Trouble>> {
        let instance = lease.instance();
        let endpoint = instance
            .endpoint
            .as_ref()
            .ok_or_else(|| refused("this instance has no endpoint to send to"))?;
        self.upstream
            .target(lease.key(), endpoint)
            .map_err(|error| refused(&error.to_string()))
    }

    async fn refusal(
        &self,
        response: Response<UpstreamBody>,
        target: &Target,
        outgoing: &Outgoing,
        instance: &str,
    ) -> Box<Trouble> {
        let (head, mut body) = response.into_parts();
        let Ok((body, None)) = collect(&mut body, WHOLE, self.pool.settings().timeouts.idle).await else {
            return broken(instance, "its error message broke off");
        };
        let class = Class::of(head.status, &head.headers, &body, target, outgoing.judge.as_ref());
        let error = match class.outcome {
            Outcome::Misconfigured => Error::instance(
                ErrorCode::UNHEALTHY,
                format!("{instance} refused the host ({})", head.status),
            )
            .hint(
                "the operator must check the key of this instance, or whether it accepts requests from here",
            ),
            Outcome::Busy { retry_after } => {
                Error::instance(ErrorCode::OVERLOADED, format!("{instance} is busy"))
                    .retry(retry_after.map_or(Retry::Now, Retry::After))
            }
            _ => Error::instance(
                ErrorCode::UPSTREAM_ERROR,
                format!("{instance} answered {}", head.status),
            ),
        };
        if class.look {
            self.pool.probe_now(instance);
        }
        let answer = class.presentable.then_some((head.status, head.headers, body));
        Box::new(Trouble {
            outcome: class.outcome,
            error,
            again: class.again,
            answer,
        })
    }

    async fn stream(&self, response: Response<UpstreamBody>, judge: &Judge) -> Result<Found, Box<Trouble>> {
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

    async fn whole(
        &self,
        response: Response<UpstreamBody>,
        judge: Option<&Judge>,
    ) -> Result<Found, Box<Trouble>> {
        let (head, mut body) = response.into_parts();
        let most = if is_endless(&head.headers) { 0 } else { WHOLE };
        let (read, more) = collect(&mut body, most, self.pool.settings().timeouts.idle)
            .await
            .map_err(|why| broken("the instance", why))?;
        if more.is_some() {
            let pieces = VecDeque::from([read]);
            return Ok(Found::Stream {
                status: head.status,
                headers: head.headers,
                pieces,
                rest: Some(body),
                judged: false,
            });
        }
        if let Some(message) = judge.and_then(|judge| judge.whole(&read)) {
            return Err(Box::new(Trouble {
                outcome: Outcome::ServerError,
                error: Error::instance(ErrorCode::UPSTREAM_ERROR, message),
                again: true,
                answer: Some((head.status, head.headers, read)),
            }));
        }
        Ok(Found::Whole {
            status: head.status,
            headers: head.headers,
            body: read,
        })
    }

    fn answer(
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

    fn wrap(
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

/// Reads up to `most` bytes. The second value says that there is more.
async fn collect(
    body: &mut UpstreamBody,
    most: usize,
    idle: Duration,
) -> Result<(Bytes, Option<()>), &'static str> {
    let mut first = Bytes::new();
    let mut all: Option<BytesMut> = None;
    loop {
        let held = all.as_ref().map_or(first.len(), BytesMut::len);
        if held > most || (most == 0 && held == 0 && !http_body::Body::is_end_stream(body)) {
            return Ok((all.map_or(first, BytesMut::freeze), Some(())));
        }
        let piece = match tokio::time::timeout(idle, body.frame()).await {
            Ok(None) => return Ok((all.map_or(first, BytesMut::freeze), None)),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(Some(Err(_))) => return Err("it broke off in the middle of its answer"),
            Err(_) => return Err("it fell silent in the middle of its answer"),
        };
        // Most answers are one piece, which is passed on without a copy.
        match &mut all {
            Some(all) => all.extend_from_slice(&piece),
            None if first.is_empty() => first = piece,
            None => all.insert(BytesMut::from(&first[..])).extend_from_slice(&piece),
        }
    }
}

/// Streams are known by what the instance says they are.
fn is_stream(response: &Response<UpstreamBody>, judge: &Judge) -> bool {
    let kind = content_type(response.headers());
    match judge.framing() {
        Framing::Whole => false,
        Framing::Ndjson => kind.starts_with("application/x-ndjson"),
        Framing::Sse => kind.starts_with("text/event-stream"),
    }
}

/// Streams that no judge knows must not be waited for.
fn is_endless(headers: &HeaderMap) -> bool {
    let kind = content_type(headers);
    kind.starts_with("text/event-stream") || kind.starts_with("application/x-ndjson")
}

fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn refused(why: &str) -> Box<Trouble> {
    let error = Error::new(ErrorCode::CONFIGURATION, Fault::Host, why);
    Trouble::new(Outcome::Misconfigured, error, true)
}

fn unprepared(error: Error) -> Box<Trouble> {
    let instances = error.fault == Fault::Instance;
    let outcome = if instances {
        Outcome::ServerError
    } else {
        Outcome::ClientError
    };
    Trouble::new(outcome, error, instances)
}

fn unreached(instance: &str, error: &UpstreamError) -> Box<Trouble> {
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

fn broken(instance: &str, why: &str) -> Box<Trouble> {
    let error = Error::instance(ErrorCode::STREAM_BROKEN, format!("{instance}: {why}"));
    Trouble::new(Outcome::StreamBroken, error, true)
}
