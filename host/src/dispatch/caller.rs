//! Callers: who asks, what they may, and until when.

use std::sync::Arc;
use std::time::SystemTime;

use plugin_api::contract::requirement::{Priority, Requirement};
use plugin_api::{Context, Error, ErrorCode, Fault};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::hints::Hints;

/// Who asks, what they may, and until when. Made by the gateway once a request is authenticated.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The request's id.
    pub request_id: String,
    /// The name of the key, or `anonymous`.
    pub principal: Arc<str>,
    /// May change the fleet.
    pub admin: bool,
    /// The highest class its requests may have.
    pub max_priority: Priority,
    /// Its W3C trace context.
    pub traceparent: Option<String>,
    /// What it asked for in `x-gleitzeit-*` headers.
    pub hints: Hints,
    /// When it stops waiting.
    pub deadline: Option<SystemTime>,
    /// Cancelled when the host can wait no longer.
    pub stop: CancellationToken,
}

impl Caller {
    /// The host itself, for work that nobody in particular asked for.
    pub fn host(request_id: impl Into<String>) -> Self {
        Self {
            request_id: request_id.into(),
            principal: Arc::from("host"),
            admin: true,
            max_priority: Priority::Urgent,
            traceparent: None,
            hints: Hints::default(),
            deadline: None,
            stop: CancellationToken::new(),
        }
    }

    /// The context that a plugin gets.
    pub fn context(&self) -> Context {
        let mut context = Context::background(self.request_id.clone());
        context.principal = self.principal.to_string();
        context.deadline = self.deadline;
        context.traceparent = self.traceparent.clone();
        context
    }

    /// When it stops waiting, by the clock that timers go by.
    pub fn due(&self) -> Option<Instant> {
        let left = |deadline: SystemTime| deadline.duration_since(SystemTime::now()).unwrap_or_default();
        self.deadline.map(|deadline| Instant::now() + left(deadline))
    }

    /// Adds what the caller asked for, and holds it to what it may.
    ///
    /// # Errors
    /// `FORBIDDEN`: it is an administrator's matter, and the caller is none.
    pub fn shape(&self, requirement: &mut Requirement) -> Result<(), Error> {
        if requirement.admin && !self.admin {
            return Err(Error::new(
                ErrorCode::FORBIDDEN,
                Fault::Client,
                "this changes what others use, which this key may not",
            )
            .hint("use a key with `admin = true`"));
        }
        self.hints.apply(requirement);
        requirement.priority = requirement.priority.min(self.max_priority);
        Ok(())
    }
}
