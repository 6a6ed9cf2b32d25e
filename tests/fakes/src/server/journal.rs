//! What a fake heard, and how each exchange ended.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Future;
use http::{HeaderMap, Method};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Notify;

/// A request as it arrived.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// What follows the `?`, if anything.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    /// How the exchange ended, so far.
    pub ending: Ending,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// It has not: the answer is being made or sent.
    Open,
    /// The whole answer was handed to the connection.
    Complete,
    /// The client closed the connection before the end.
    ClientLeft,
    /// A fault or the server's death ended it.
    Failed,
}

impl Recorded {
    /// The body as JSON; null if it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The text of a header; empty if it is absent or not text.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Whether the client left before the end.
    pub fn disconnected(&self) -> bool {
        self.ending == Ending::ClientLeft
    }
}

/// Everything one server heard. The lock protects all counts together, so that they agree with each other.
#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: Mutex<Entries>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Entries {
    heard: Vec<Recorded>,
    /// How many were forgotten: an exchange knows itself by its number since the start.
    forgotten: usize,
    in_flight: usize,
    peak: usize,
}

impl Journal {
    /// Writes a request down and counts it as in flight until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, request: Recorded) -> ExchangeGuard {
        let mut entries = self.entries.lock();
        entries.heard.push(request);
        entries.in_flight += 1;
        entries.peak = entries.peak.max(entries.in_flight);
        let number = entries.forgotten + entries.heard.len() - 1;
        self.changed.notify_waiters();
        ExchangeGuard {
            number,
            journal: Arc::clone(self),
            open: true,
        }
    }

    pub(super) fn all(&self) -> Vec<Recorded> {
        self.entries.lock().heard.clone()
    }

    pub(super) fn forget(&self) {
        let mut entries = self.entries.lock();
        entries.forgotten += entries.heard.len();
        entries.heard.clear();
        entries.peak = entries.in_flight;
    }

    pub(super) fn in_flight(&self) -> usize {
        self.entries.lock().in_flight
    }

    pub(super) fn peak(&self) -> usize {
        self.entries.lock().peak
    }

    /// Completes with the next change after this call.
    pub(super) fn changed(&self) -> impl Future<Output = ()> {
        self.changed.notified()
    }

    /// Says that whatever is open ends by the server's doing.
    pub(super) fn fail_open(&self) {
        for entry in &mut self.entries.lock().heard {
            if entry.ending == Ending::Open {
                entry.ending = Ending::Failed;
            }
        }
    }
}

/// One exchange under way. Dropped before [`ExchangeGuard::end`], it means that the client left: nothing else drops it
/// early, because faults and death say so first.
#[derive(Debug)]
pub(super) struct ExchangeGuard {
    number: usize,
    journal: Arc<Journal>,
    open: bool,
}

impl ExchangeGuard {
    /// Ends the exchange; only the first ending counts.
    pub(super) fn end(&mut self, ending: Ending) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        let mut entries = self.journal.entries.lock();
        entries.in_flight -= 1;
        let at = self.number.checked_sub(entries.forgotten);
        if let Some(entry) = at.and_then(|at| entries.heard.get_mut(at))
            && entry.ending == Ending::Open
        {
            entry.ending = ending;
        }
        drop(entries);
        self.journal.changed.notify_waiters();
    }
}

impl Drop for ExchangeGuard {
    fn drop(&mut self) {
        self.end(Ending::ClientLeft);
    }
}
