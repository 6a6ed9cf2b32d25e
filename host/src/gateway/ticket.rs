//! Tickets: what a request holds, and what is counted and logged when it ends.

use std::sync::Arc;
use std::time::Instant;

use super::metrics::RouteMetrics;
use super::slots::Slot;
use super::watch::{Phase, Watch};

/// One request from its head to the end of its answer: holds its slots, and is counted and logged when dropped.
pub(super) struct Ticket {
    pub watch: Arc<Watch>,
    pub route: Arc<RouteMetrics>,
    pub request_id: String,
    pub principal: Option<Arc<str>>,
    pub started: Instant,
    /// 499 until there is an answer: dropped before, the client did not wait for it.
    pub status: u16,
    pub slots: [Option<Slot>; 2],
    /// What is asked for, for the log: method and path without the query, which may hold anything.
    pub what: (http::Method, http::Uri),
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.watch.enter(Phase::Idle);
        self.route.answered(self.status);
        let principal = self.principal.as_deref().unwrap_or("-");
        let (method, path) = (&self.what.0, self.what.1.path());
        let millis = || self.started.elapsed().as_millis() as u64;
        if self.status >= 500 {
            tracing::info!(target: "gleitzeit::access", id = %self.request_id, principal, %method, path, status = self.status, millis = millis());
        } else {
            tracing::debug!(target: "gleitzeit::access", id = %self.request_id, principal, %method, path, status = self.status, millis = millis());
        }
    }
}
