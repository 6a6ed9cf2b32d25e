//! Forwarding: lease, send, judge, try again elsewhere, pass on.

mod answer;
mod attempt;
mod classify;
mod outgoing;

use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::contract::requirement::Requirement;
use plugin_api::{Context, Error, ErrorCode, Fault, Retry};
use tokio::time::Instant;

pub use answer::{Answer, AnswerBody};
use attempt::Attempt;
pub use attempt::Failure;
pub use outgoing::{Outgoing, copied_headers};

use super::caller::Caller;
use super::relay::RelayEnd;
use super::upstream::Upstream;
use crate::manager::{Asking, Held};
use crate::pool::{Asker, Lease, Pool, Tried};

/// A request to forward.
pub struct Job<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The hubs it may go to, in order of preference.
    pub pools: &'a [Pool],
    /// What it needs.
    pub requirement: Requirement,
    /// What to send: the first whose dialect the chosen instance speaks.
    pub outgoing: Vec<Outgoing>,
}

/// Makes the end of a stream from the lease behind it; see [`RelayEnd`].
pub type MakeEnd<'a> = &'a (dyn Fn(Lease) -> Box<dyn RelayEnd> + Send + Sync);

/// The wait before the only instance is asked again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Sends a request to an instance that fits, and to others until one has said something meaningful, attempts or
/// budget are used up, or the deadline passes. Dropping it cancels everything behind it.
///
/// # Errors
/// No instance would have it, or the last one's failure where that has no answer of its own to pass on.
pub async fn forward(upstream: &Upstream, mut job: Job<'_>, end: MakeEnd<'_>) -> Result<Answer, Error> {
    job.caller.shape(&mut job.requirement)?;
    for outgoing in &job.outgoing {
        if let Some(dialect) = &outgoing.dialect
            && !job.requirement.dialects.contains(dialect)
        {
            job.requirement.dialects.push(dialect.clone());
        }
    }
    let deadline = job.caller.due();
    let mut tried = Tried::default();
    let mut attempts = 0;
    let mut last: Option<Failure> = None;
    let mut queued = Duration::ZERO;
    loop {
        let asking = Asking {
            requirement: &job.requirement,
            asker: Asker {
                principal: &job.caller.principal,
            },
            tried: &tried,
            deadline,
        };
        let Held { lease, pool } = match (asking.from(job.pools).await, last.take()) {
            (Ok(held), earlier) => {
                last = earlier;
                held
            }
            // No other to ask: what the last one said is worth more than that there is no other.
            (Err(_), Some(failure)) if failure.has_answer() => return failure.give_up(attempts, queued),
            (Err(error), _) => return Err(error),
        };
        if tried.contains(lease.key()) {
            // An answer of 4xx that was no failure is not improved by asking the same instance again.
            if let Some(failure) = last.take_if(|failure| failure.outcome == Outcome::ClientError) {
                return failure.give_up(attempts, queued);
            }
            pause(attempts + 1).await;
        }
        attempts += 1;
        queued += lease.queued();
        let again = attempts < pool.settings().retry.attempts;
        let key = lease.key();
        let attempt = Attempt {
            upstream,
            pool: &pool,
            job: &job,
            deadline,
            attempts,
            queued,
        };
        let failure = match attempt.run(lease, end).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        tracing::debug!(
            request = %job.caller.request_id,
            instance = %failure.instance,
            outcome = failure.outcome.label(),
            attempt = attempts,
            error = %failure.error,
            "attempt failed"
        );
        let in_time = deadline.is_none_or(|deadline| Instant::now() < deadline);
        if failure.again && again && in_time && pool.retry_allowed() {
            tried.add(key);
            last = Some(failure);
            continue;
        }
        return failure.give_up(attempts, queued);
    }
}

async fn pause(attempts: u32) {
    let base = FIRST_PAUSE * 2u32.saturating_pow(attempts.saturating_sub(2).min(5));
    tokio::time::sleep(base.mul_f64(0.5 + fastrand::f64())).await;
}

/// The deadline has passed while an instance was at work.
fn too_late(waited: Duration) -> Error {
    let waited = humantime::format_duration(Duration::from_millis(waited.as_millis() as u64));
    Error::new(
        ErrorCode::TIMEOUT,
        Fault::Instance,
        format!("no answer within {waited}"),
    )
    .retry(Retry::Now)
}

/// The context for what a hub does on behalf of a request.
fn context(caller: &Caller) -> Context {
    caller.context()
}
