//! The book of allocations: who has what.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;
use plugin_api::{Error, ErrorCode, Fault};
use serde::Serialize;
use serde_json::{Value, json};

use super::LONGEST_TTL;
use super::record::{Allocation, Shared, conceal};
use crate::manager::methods::Span;
use crate::manager::{Viewer, Who};
use crate::pool::events::kind;
use crate::pool::{Clock, EventSink};

/// All allocations of a host.
pub struct Allocations {
    pub(super) clock: Clock,
    pub(super) events: EventSink,
    pub(super) book: Mutex<Book>,
    /// Held by whoever tries to take several at once, for as long as it takes to look; see `take`.
    pub(super) turn: Mutex<()>,
}

#[derive(Default)]
pub(super) struct Book {
    pub(super) current: BTreeMap<String, Shared>,
    /// Requests that are being served, by principal: they count as what they are about to be.
    pub(super) coming: BTreeMap<String, usize>,
    pub(super) tally: Tally,
    pub(super) closed: bool,
}

/// What was allocated since the host began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Allocations there are now.
    pub active: usize,
    /// Allocations made.
    pub total: u64,
    /// Requests that came to nothing.
    pub failed: u64,
    /// Ended by whoever had them, or an administrator.
    pub released: u64,
    /// Ended by the clock.
    pub expired: u64,
    /// Resources lost while they were allocated.
    pub lost: u64,
}

impl fmt::Debug for Allocations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Allocations")
            .field("tally", &self.tally())
            .finish_non_exhaustive()
    }
}

impl Allocations {
    /// An empty book, by this clock.
    pub fn new(clock: Clock, events: EventSink) -> Self {
        Self {
            clock,
            events,
            book: Mutex::default(),
            turn: Mutex::new(()),
        }
    }

    /// Makes an allocation last longer, from now.
    ///
    /// # Errors
    /// There is none of this id, or it is somebody else's.
    pub fn renew(&self, id: &str, lasts: Option<Span>, who: &Who) -> Result<Value, Error> {
        let lasts = ttl(lasts)?;
        let allocation = self.of(id, who)?;
        if !allocation.renew(lasts, self.clock.now()) {
            return Err(unknown(id));
        }
        let shown = allocation.to_json(self.clock.now());
        let data = json!({
            "allocation": id,
            "principal": allocation.principal,
            "hubs": allocation.hubs(),
            "expires_in_ms": shown["expires_in_ms"],
        });
        self.events.emit(kind::ALLOCATION_RENEWED, "", None, data);
        Ok(shown)
    }

    /// The caller's allocations; an administrator's are everybody's.
    pub fn visible_to(&self, who: &Who) -> Value {
        self.shown(|allocation| who.viewer().sees(&allocation.principal))
    }

    /// All of them, for status: of those that are somebody else's, whoever is no administrator sees neither whose they
    /// are nor where the resources are, nor what their hubs say of them.
    pub fn all(&self, viewer: Viewer<'_>) -> Value {
        let now = self.clock.now();
        let show = |allocation: &Shared| {
            let mut shown = allocation.to_json(now);
            if !viewer.sees(&allocation.principal) {
                conceal(&mut shown);
            }
            shown
        };
        self.current().iter().map(show).collect()
    }

    fn shown(&self, which: impl Fn(&Allocation) -> bool) -> Value {
        let now = self.clock.now();
        let current = self.current();
        let shown = current.iter().filter(|allocation| which(allocation));
        shown.map(|allocation| allocation.to_json(now)).collect()
    }

    fn current(&self) -> Vec<Shared> {
        self.book.lock().current.values().cloned().collect()
    }

    /// What was allocated since the host began.
    pub fn tally(&self) -> Tally {
        let book = self.book.lock();
        Tally {
            active: book.current.len(),
            ..book.tally
        }
    }

    pub(super) fn of(&self, id: &str, who: &Who) -> Result<Shared, Error> {
        let found = self.book.lock().current.get(id).cloned();
        let allocation = found.ok_or_else(|| unknown(id))?;
        if !who.viewer().sees(&allocation.principal) {
            let message = format!("the allocation `{id}` is somebody else's");
            return Err(Error::new(ErrorCode::FORBIDDEN, Fault::Client, message)
                .hint("only whoever made it, or a key with `admin = true`, may do this"));
        }
        Ok(allocation)
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.book.lock().tally);
    }
}

pub(super) fn ttl(asked: Option<Span>) -> Result<Option<Duration>, Error> {
    match asked {
        Some(Span(ttl)) if ttl.is_zero() || ttl > LONGEST_TTL => {
            Err(Error::invalid("`ttl` is more than zero and a day at most").hint("renew it instead"))
        }
        other => Ok(other.map(|Span(ttl)| ttl)),
    }
}

pub(super) fn unknown(id: &str) -> Error {
    Error::not_found(format!("there is no allocation `{id}`"))
        .hint("it may have expired, or been released; `gleitzeit allocations` lists those there are")
}
