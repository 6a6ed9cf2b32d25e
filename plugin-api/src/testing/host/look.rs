//! What a test asks the host in miniature about what has happened.

use std::time::Duration;

use serde_json::Value;

use super::{Event, TestHost};
use crate::abi::wire::log::LogRecord;
use crate::contract::outcome::Outcome;
use crate::host::ForwardRequest;

/// How long [`TestHost::until`] waits, which is long enough for a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(10);

impl TestHost {
    /// Everything it was asked and told so far, in order.
    pub fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    /// How many leases are held at the moment.
    pub fn held(&self) -> usize {
        self.state().held.len()
    }

    /// What was published so far.
    pub fn published(&self) -> Vec<(String, Value)> {
        let published = |event| match event {
            Event::Published { kind, data } => Some((kind, data)),
            _ => None,
        };
        self.events().into_iter().filter_map(published).collect()
    }

    /// What was forwarded so far.
    pub fn forwarded(&self) -> Vec<ForwardRequest> {
        let forwarded = |event| match event {
            Event::Forwarded(request) => Some(request),
            _ => None,
        };
        self.events().into_iter().filter_map(forwarded).collect()
    }

    /// How the leases that have ended went.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |event| match event {
            Event::Released { outcome, .. } => Some(outcome),
            _ => None,
        };
        self.events().into_iter().filter_map(outcome).collect()
    }

    /// What was logged over the boundary so far.
    pub fn logged(&self) -> Vec<LogRecord> {
        let logged = |event| match event {
            Event::Logged { record, .. } => Some(record),
            _ => None,
        };
        self.events().into_iter().filter_map(logged).collect()
    }

    /// Waits until this holds.
    ///
    /// # Panics
    /// It does not within ten seconds; the message says what was waited for and what had happened by then.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let changed = self.inner.changed.notified();
                if holds(self) {
                    return;
                }
                // Not everything that can be waited for rings; hence the second look after a while.
                let _ = tokio::time::timeout(Duration::from_millis(20), changed).await;
            }
        };
        if tokio::time::timeout(DEADLINE, waiting).await.is_err() {
            panic!("waited in vain for {what}; so far: {:#?}", self.events());
        }
    }
}
