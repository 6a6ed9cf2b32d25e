//! One attempt: prepare the instance, send, judge what comes.

mod failure;
mod found;
mod read;
mod refusal;

use std::sync::Arc;
use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::{Error, ErrorCode, Fault, ResourceInstance};
use tokio::time::Instant;

pub use failure::Failure;
use failure::{Trouble, refused, unprepared, unreached};
use found::Found;

use super::answer::{Answer, AnswerBody};
use super::outgoing::Outgoing;
use super::{Job, MakeEnd};
use crate::dispatch::upstream::{Target, Upstream};
use crate::patience::within;
use crate::pool::{Lease, Pool};

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
        if let Some(found) = within(work.as_mut(), || due.min(begun + WATCH_AFTER)).await {
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
        let uri = target
            .path(&outgoing.path)
            .ok_or_else(|| refused("the path cannot be asked of this instance"))?;
        let request = || outgoing.request(&target, uri.clone());
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
            .filter(|judge| read::is_stream(response.headers(), judge))
        {
            Some(judge) => self.stream(response, judge).await?,
            None => {
                let judge = outgoing.judge.as_ref();
                self.whole(response, judge, &lease.instance().id).await?
            }
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
}
