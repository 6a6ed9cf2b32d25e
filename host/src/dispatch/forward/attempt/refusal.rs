//! An answer that is no success: whose matter it is, and whether another should be asked.

use bytes::Bytes;
use http::Response;
use http::response::Parts;
use plugin_api::contract::outcome::Outcome;
use plugin_api::{Error, ErrorCode, Fault, Retry};

use super::Attempt;
use super::failure::{Trouble, unread};
use super::read::{self, Read, ReadError, WHOLE};
use crate::dispatch::forward::classify::Class;
use crate::dispatch::forward::outgoing::Outgoing;
use crate::dispatch::upstream::{Target, UpstreamBody};

impl Attempt<'_> {
    /// Judges it by its status. What it says in its body is for the client, so a body that cannot be had changes
    /// nothing of whose matter it is; only a connection that breaks is the instance's own.
    pub(super) async fn refusal(
        &self,
        response: Response<UpstreamBody>,
        target: &Target,
        outgoing: &Outgoing,
        instance: &str,
    ) -> Box<Trouble> {
        let (head, mut body) = response.into_parts();
        let words = match read::read(&mut body, WHOLE, self.pool.settings().timeouts.idle).await {
            Ok(Read { bytes, more: false }) => Ok(bytes),
            Ok(Read { more: true, .. }) => Err("its explanation is too long to be passed on"),
            Err(ReadError::Silent(_)) => Err("its explanation did not come in time"),
            Err(error @ ReadError::Broken) => return unread(instance, &error),
        };
        let wordless = words.as_ref().is_ok_and(Bytes::is_empty);
        let class = Class::of(
            head.status,
            &head.headers,
            wordless,
            target,
            outgoing.judge.as_ref(),
        );
        if class.look {
            self.pool.probe_now(instance);
        }
        let error = told(instance, &class, &head, words.as_ref().err());
        let answer = words.ok().filter(|_| class.presentable);
        Box::new(Trouble {
            outcome: class.outcome,
            error,
            again: class.again,
            answer: answer.map(|body| (head.status, head.headers, body)),
        })
    }
}

/// The same in our words, for where the instance's own cannot be passed on.
fn told(instance: &str, class: &Class, head: &Parts, missing: Option<&&str>) -> Error {
    match class.outcome {
        Outcome::Misconfigured => Error::instance(
            ErrorCode::UNHEALTHY,
            format!("{instance} refused the host ({})", head.status),
        )
        .hint("the operator must check the key of this instance, or whether it accepts requests from here"),
        Outcome::Busy { retry_after } => {
            Error::instance(ErrorCode::OVERLOADED, format!("{instance} is busy"))
                .retry(retry_after.map_or(Retry::Now, Retry::After))
        }
        outcome => {
            let why = missing.map(|why| format!(", and {why}")).unwrap_or_default();
            let message = format!("{instance} answered {}{why}", head.status);
            if outcome == Outcome::ClientError {
                Error::new(ErrorCode::UPSTREAM_ERROR, Fault::Client, message).status(head.status.as_u16())
            } else {
                Error::instance(ErrorCode::UPSTREAM_ERROR, message)
            }
        }
    }
}
