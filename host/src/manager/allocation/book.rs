//! The book of allocations: who has what.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use plugin_api::{Error, ErrorCode, Fault, Retry};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::record::{Allocation, Shared, conceal};
use super::take::Taker;
use super::want::{AllocateParams, Want};
use super::{DEFAULT_TTL, DEFAULT_WAIT, LONGEST_TTL, LONGEST_WAIT, MOST_EACH, MOST_RESOURCES};
use crate::manager::methods::Span;
use crate::manager::{Manager, Viewer, Who};
use crate::pool::events::kind;
use crate::pool::{Clock, EventSink, Reserver};

/// All allocations of a host.
pub struct Allocations {
    pub(super) clock: Clock,
    pub(super) events: EventSink,
    book: Mutex<Book>,
    /// Held by whoever tries to take several at once, for as long as it takes to look; see `take`.
    turn: Mutex<()>,
}

#[derive(Default)]
struct Book {
    current: BTreeMap<String, Shared>,
    /// Requests that are being served, by principal: they count as what they are about to be.
    coming: BTreeMap<String, usize>,
    tally: Tally,
    closed: bool,
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

/// How an allocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended<'a> {
    /// By whoever is named. What it used may be used again by the same principal, unless it says otherwise.
    Released {
        /// Who released it.
        by: &'a str,
        /// Resources of a warm pool are thrown away.
        discard: bool,
    },
    /// Its time was over. Its holder may still be at it.
    Expired,
    /// The host stops.
    HostStops,
}

/// A place among those that a principal may have; given back when dropped.
struct Coming<'a> {
    book: &'a Mutex<Book>,
    principal: &'a str,
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        let mut book = self.book.lock();
        if let Some(count) = book.coming.get_mut(self.principal) {
            *count -= 1;
            if *count == 0 {
                book.coming.remove(self.principal);
            }
        }
    }
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

    /// Takes all of what is wanted, or nothing. Cancel safe: what was taken is let go.
    ///
    /// # Errors
    /// It cannot be had, or not in time; the message says which and why. `RATE_LIMIT` where the principal has as many
    /// as it may.
    pub async fn allocate(
        self: &Arc<Self>,
        manager: &Manager,
        params: AllocateParams,
        who: &Who,
    ) -> Result<Value, Error> {
        let made = self.make(manager, params, who).await;
        if let Err(error) = &made {
            self.count(|tally| tally.failed += 1);
            let data = json!({ "principal": *who.principal, "reason": error.message });
            self.events.emit(kind::ALLOCATION_FAILED, "", None, data);
        }
        made
    }

    async fn make(
        self: &Arc<Self>,
        manager: &Manager,
        params: AllocateParams,
        who: &Who,
    ) -> Result<Value, Error> {
        let ttl = ttl(params.ttl)?.unwrap_or(DEFAULT_TTL);
        let wait = params.timeout.map_or(DEFAULT_WAIT, |Span(wait)| wait);
        if wait > LONGEST_WAIT {
            return Err(Error::invalid("`timeout` is ten minutes at most"));
        }
        if !(1..=MOST_RESOURCES).contains(&params.resources.len()) {
            let message = format!("an allocation has 1 to {MOST_RESOURCES} resources");
            return Err(Error::invalid(message));
        }
        let wants = params
            .resources
            .into_iter()
            .enumerate()
            .map(|(index, wanted)| Want::new(manager, index, wanted, params.priority, who))
            .collect::<Result<Vec<_>, _>>()?;
        possible(&wants)?;
        let _coming = self.come(&who.principal)?;
        let id = format!("alloc-{:016x}", fastrand::u64(..));
        let by = Reserver {
            principal: who.principal.clone(),
            words: format!("`{}` ({id})", who.principal).into(),
        };
        let taker = Taker {
            turn: &self.turn,
            by: &by,
            deadline: Instant::now() + wait,
            context: &who.context,
        };
        let taken = taker.take(&wants).await?;
        let now = self.clock.now();
        let allocation = Arc::new(Allocation::new(id, &who.principal, taken, ttl, now));
        self.enter(&allocation)?;
        if let Some(pool) = wants.first().and_then(|want| want.pools.first()) {
            pool.runtime().spawn(self.clone().keep(allocation.clone()));
        }
        self.tell_created(&allocation, ttl);
        Ok(allocation.to_json(self.clock.now()))
    }

    fn come<'a>(&'a self, principal: &'a str) -> Result<Coming<'a>, Error> {
        let mut book = self.book.lock();
        if book.closed {
            return Err(stopping());
        }
        let own = |allocation: &&Shared| allocation.principal == principal;
        let has = book.current.values().filter(own).count();
        let coming = book.coming.get(principal).copied().unwrap_or_default();
        if has + coming >= MOST_EACH {
            let message = format!("`{principal}` has {MOST_EACH} allocations, as many as it may");
            return Err(Error::new(ErrorCode::RATE_LIMIT, Fault::Client, message)
                .hint("release one: `gleitzeit allocations` lists them"));
        }
        book.coming.insert(principal.to_owned(), coming + 1);
        Ok(Coming {
            book: &self.book,
            principal,
        })
    }

    fn enter(&self, allocation: &Shared) -> Result<(), Error> {
        let closed = {
            let mut book = self.book.lock();
            if !book.closed {
                book.tally.total += 1;
                book.current.insert(allocation.id.clone(), allocation.clone());
            }
            book.closed
        };
        if closed {
            allocation.end(true);
            return Err(stopping());
        }
        Ok(())
    }

    fn tell_created(&self, allocation: &Allocation, ttl: Duration) {
        let data = json!({
            "allocation": allocation.id,
            "principal": allocation.principal,
            "hubs": allocation.hubs(),
            "resources": allocation.resources.len(),
            "expires_in_ms": ttl.as_millis() as u64,
        });
        self.events.emit(kind::ALLOCATION_CREATED, "", None, data);
        for resource in &allocation.resources {
            let data = || json!({ "allocation": allocation.id, "principal": allocation.principal, "exclusive": resource.exclusive() });
            self.events
                .emit_to_followers(kind::LEASE_GRANTED, &resource.hub, Some(resource.id()), data);
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

    /// Gives an allocation back.
    ///
    /// # Errors
    /// As [`renew`](Self::renew).
    pub fn release(&self, id: &str, discard: bool, who: &Who) -> Result<Value, Error> {
        let allocation = self.of(id, who)?;
        let ended = Ended::Released {
            by: &who.principal,
            discard,
        };
        match self.end(&allocation, ended) {
            true => Ok(json!({ "allocation": id, "released": true })),
            false => Err(unknown(id)),
        }
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

    /// Makes no more, and gives back all there are. Idempotent.
    pub fn close(&self) {
        let current: Vec<_> = {
            let mut book = self.book.lock();
            book.closed = true;
            book.current.values().cloned().collect()
        };
        for allocation in current {
            self.end(&allocation, Ended::HostStops);
        }
    }

    fn of(&self, id: &str, who: &Who) -> Result<Shared, Error> {
        let found = self.book.lock().current.get(id).cloned();
        let allocation = found.ok_or_else(|| unknown(id))?;
        if !who.viewer().sees(&allocation.principal) {
            let message = format!("the allocation `{id}` is somebody else's");
            return Err(Error::new(ErrorCode::FORBIDDEN, Fault::Client, message)
                .hint("only whoever made it, or a key with `admin = true`, may do this"));
        }
        Ok(allocation)
    }

    /// Ends an allocation, once. Whether it was us.
    pub(super) fn end(&self, allocation: &Shared, how: Ended<'_>) -> bool {
        let clean = matches!(how, Ended::Released { discard: false, .. });
        if !allocation.end(clean) {
            return false;
        }
        {
            let mut book = self.book.lock();
            book.current.remove(&allocation.id);
            match how {
                Ended::Expired => book.tally.expired += 1,
                Ended::Released { .. } | Ended::HostStops => book.tally.released += 1,
            }
        }
        let (kind, by) = match how {
            Ended::Expired => (kind::ALLOCATION_EXPIRED, None),
            Ended::Released { by, .. } => (kind::ALLOCATION_RELEASED, Some(by)),
            Ended::HostStops => (kind::ALLOCATION_RELEASED, Some("the host, which stops")),
        };
        let data = json!({
            "allocation": allocation.id,
            "principal": allocation.principal,
            "hubs": allocation.hubs(),
            "by": by,
        });
        self.events.emit(kind, "", None, data);
        for resource in &allocation.resources {
            let data = || json!({ "allocation": allocation.id, "principal": allocation.principal });
            self.events
                .emit_to_followers(kind::LEASE_RELEASED, &resource.hub, Some(resource.id()), data);
        }
        true
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.book.lock().tally);
    }
}

/// One instance cannot be had exclusively and once more.
fn possible(wants: &[Want]) -> Result<(), Error> {
    for (index, want) in wants.iter().enumerate() {
        let same = |other: &&Want| {
            want.requirement.instance.is_some()
                && other.requirement.instance == want.requirement.instance
                && (other.exclusive || want.exclusive)
                && other
                    .pools
                    .iter()
                    .map(crate::pool::Pool::name)
                    .eq(want.pools.iter().map(crate::pool::Pool::name))
        };
        if let Some(other) = wants[..index].iter().find(same) {
            let message = format!(
                "resources {} and {} are the same instance, and one of them is exclusive",
                other.index + 1,
                want.index + 1
            );
            return Err(Error::invalid(message));
        }
    }
    Ok(())
}

fn ttl(asked: Option<Span>) -> Result<Option<Duration>, Error> {
    match asked {
        Some(Span(ttl)) if ttl.is_zero() || ttl > LONGEST_TTL => {
            Err(Error::invalid("`ttl` is more than zero and a day at most").hint("renew it instead"))
        }
        other => Ok(other.map(|Span(ttl)| ttl)),
    }
}

fn unknown(id: &str) -> Error {
    Error::not_found(format!("there is no allocation `{id}`"))
        .hint("it may have expired, or been released; `gleitzeit allocations` lists those there are")
}

fn stopping() -> Error {
    Error::new(ErrorCode::SHUTDOWN, Fault::Host, "the host is stopping").retry(Retry::Now)
}
