//! What a plugin's handle to the host leads to.

mod forward;
mod leases;
mod offers;
mod reach;
mod wishes;

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use tokio::sync::watch;

use self::leases::Leases;
use self::wishes::Wish;
use super::{Dispatcher, Table};
use crate::manager::Manager;

/// Which component asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The hub of this name: it sees its own instances.
    Hub(String),
    /// The provider of this name: it sees the hubs it is bound to.
    Provider(String),
}

/// The parts of a dispatcher, held so that it may end.
type Way = (
    Weak<arc_swap::ArcSwap<Table>>,
    Weak<Manager>,
    super::upstream::Upstream,
    super::callers::Callers,
);

/// What one component's handle to the host leads to. Built before the component is, and bound to the dispatcher
/// once there is one: until then every service answers `NOT_INITIALIZED`.
pub struct ComponentServices {
    scope: Scope,
    /// Weak, because the dispatcher holds the drivers that hold this.
    dispatcher: OnceLock<Way>,
    leases: Leases,
    life: watch::Sender<Life>,
    /// What is to be kept warm for it, the oldest wish first.
    wishes: Mutex<VecDeque<Wish>>,
}

/// How far a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Starting,
    Serving,
    Retired,
}

impl ComponentServices {
    /// Services for a component.
    pub fn new(scope: Scope) -> Arc<Self> {
        Arc::new(Self {
            scope,
            dispatcher: OnceLock::new(),
            leases: Leases::default(),
            life: watch::Sender::new(Life::Starting),
            wishes: Mutex::default(),
        })
    }

    /// From now on the services are there. Later calls change nothing.
    pub fn bind(&self, dispatcher: &Dispatcher) {
        let _ = self.dispatcher.set((
            Arc::downgrade(&dispatcher.table),
            Arc::downgrade(&dispatcher.manager),
            dispatcher.upstream.clone(),
            dispatcher.callers.clone(),
        ));
    }

    /// The component is one of the manager's now: what it has asked for while it was built, and could not have yet, is
    /// done. To be called once it has been added.
    pub fn in_service(&self) {
        let news = self.life.send_if_modified(|life| {
            let news = *life == Life::Starting;
            if news {
                *life = Life::Serving;
            }
            news
        });
        // What is wished for from here on is fulfilled at once.
        if news {
            self.fulfil_wishes();
        }
    }

    /// The component is bound to other hubs now. To be called once the manager knows.
    pub fn rebound(&self) {
        if *self.life.borrow() == Life::Serving {
            self.fulfil_wishes();
        }
    }

    /// Releases whatever the component still holds and has kept warm; called when it is retired.
    pub fn release_all(&self) {
        self.life.send_replace(Life::Retired);
        self.leases.clear();
        let wishes = std::mem::take(&mut *self.wishes.lock());
        drop(wishes);
    }
}

#[cfg(test)]
mod tests;
