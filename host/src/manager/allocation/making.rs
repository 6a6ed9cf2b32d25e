//! Making an allocation: from what is wanted to an entry in the book.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use plugin_api::{Error, ErrorCode, Fault, Retry};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::book::{Allocations, Book, ttl};
use super::record::{Allocation, Shared};
use super::take::Taker;
use super::want::{AllocateParams, Want};
use super::{DEFAULT_TTL, DEFAULT_WAIT, LONGEST_WAIT, MOST_EACH, MOST_RESOURCES};
use crate::manager::methods::Span;
use crate::manager::{Manager, Who};
use crate::pool::Reserver;
use crate::pool::events::kind;

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

impl Allocations {
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

fn stopping() -> Error {
    Error::new(ErrorCode::SHUTDOWN, Fault::Host, "the host is stopping").retry(Retry::Now)
}
