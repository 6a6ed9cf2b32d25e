//! Callers: who asks, what they may, and until when.

use std::sync::Arc;
use std::time::SystemTime;

use plugin_api::Context;
use plugin_api::contract::requirement::{Priority, Requirement};
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

    /// Adds what the caller asked for, and holds it to what it may.
    pub fn shape(&self, requirement: &mut Requirement) {
        self.hints.apply(requirement);
        requirement.priority = requirement.priority.min(self.max_priority);
    }
}
