//! Sessions: boxes that keep their interpreter between runs. Each belongs to the caller that opened it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use plugin_api::{Error, ErrorCode, Fault};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use crate::config::SessionSettings;
use crate::profile::Profile;
use crate::run::Held;

/// How soon it is noticed that the box of an idle session is gone.
const LOOK: Duration = Duration::from_secs(1);

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    settings: SessionSettings,
    /// By id. Locked for a lookup, never across an await.
    open: Mutex<HashMap<String, Arc<Session>>>,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub id: String,
    pub caller: String,
    pub profile: Arc<Profile>,
    idle: Duration,
    /// The box between two runs. Locked for the length of a run; `None` once the session is over.
    held: Arc<tokio::sync::Mutex<Option<Held>>>,
    used: Mutex<Instant>,
}

/// A session as it was when somebody looked.
#[derive(Debug)]
pub(crate) struct Seen {
    pub id: String,
    pub profile: Arc<Profile>,
    /// A run is at work in it, or it is being opened.
    pub busy: bool,
    /// How long nobody has used it.
    pub idle: Duration,
    /// Nobody using it for so long, it is closed.
    pub idle_timeout: Duration,
}

/// A place for a session that is being opened; given back on drop, unless it was filled.
pub(crate) struct Place {
    sessions: Arc<Sessions>,
    session: Arc<Session>,
    filled: bool,
}

/// The right to use a session for one run. A session that is not put back is over.
pub(crate) struct Turn {
    sessions: Arc<Sessions>,
    pub session: Arc<Session>,
    held: OwnedMutexGuard<Option<Held>>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Held")
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

impl Sessions {
    pub(crate) fn new(settings: SessionSettings) -> Self {
        Self {
            settings,
            open: Mutex::default(),
        }
    }

    pub(crate) fn settings(&self) -> &SessionSettings {
        &self.settings
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.open().len()
    }

    /// The sessions of one caller, the one used last first.
    pub(crate) fn of(&self, caller: &str) -> Vec<Seen> {
        // Kept until all are seen: a turn is taken under it, so that nobody finds a session busy for being looked at.
        let open = self.open();
        let own = open.values().filter(|session| session.caller == caller);
        let mut seen: Vec<_> = own.map(|session| session.seen()).collect();
        seen.sort_by_key(|seen| seen.idle);
        seen
    }

    /// Takes a place for one more, before its box is leased.
    ///
    /// # Errors
    /// There are as many as there may be, of this caller or in all.
    pub(crate) fn admit(
        self: &Arc<Self>,
        caller: &str,
        profile: &Arc<Profile>,
        idle: Duration,
    ) -> Result<Place, Error> {
        let mut open = self.open();
        let own = open.values().filter(|session| session.caller == caller).count();
        for (have, most, whose) in [
            (own, self.settings.per_caller, "of one caller"),
            (open.len(), self.settings.max, "in all"),
        ] {
            if have >= most {
                let message = format!("there are {have} sessions, and may be {most} {whose}");
                return Err(Error::new(ErrorCode::RESOURCE_EXHAUSTED, Fault::Client, message)
                    .hint("python/sessions lists your own; close one with python/close"));
            }
        }
        let mut bytes = [0; 16];
        let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
        filled.map_err(|error| Error::plugin(format!("no random numbers: {error}")))?;
        let id = format!("{:032x}", u128::from_be_bytes(bytes));
        let session = Session {
            id: id.clone(),
            caller: caller.to_owned(),
            profile: profile.clone(),
            idle,
            held: Arc::default(),
            used: Mutex::new(Instant::now()),
        };
        let session = Arc::new(session);
        open.insert(id, session.clone());
        Ok(Place {
            sessions: self.clone(),
            session,
            filled: false,
        })
    }

    /// The right to use a session of this caller.
    ///
    /// # Errors
    /// There is none, or it is being used.
    pub(crate) fn turn(self: &Arc<Self>, id: &str, caller: &str) -> Result<Turn, Error> {
        // Kept until the turn is taken: whoever looks at an idle box holds it too, so that nobody finds it busy for that.
        let open = self.open();
        let session = open.get(id).cloned();
        // Another caller's is not even told of.
        let session = session
            .filter(|session| session.caller == caller)
            .ok_or_else(|| {
                Error::not_found("there is no such session; it may have been idle for too long")
                    .hint("open one with python/open")
            })?;
        let held = session.held.clone().try_lock_owned().map_err(|_| {
            Error::new(
                ErrorCode::OVERLOADED,
                Fault::Client,
                "the session is busy with another run",
            )
            .hint("a session does one thing at a time; wait, or open another")
        })?;
        Ok(Turn {
            sessions: self.clone(),
            session,
            held,
        })
    }

    /// Whether the session is idle, and its box gone.
    fn is_lost(&self, session: &Session) -> bool {
        let _open = self.open();
        let held = session.held.try_lock();
        held.is_ok_and(|mut held| held.as_mut().is_some_and(|held| held.connection.has_ended()))
    }

    /// Waits until a session has been idle for too long or its box is gone, and takes its turn to close it. `None` where it is over already.
    pub(crate) async fn idle(self: Arc<Self>, id: String) -> Option<Turn> {
        loop {
            let session = self.open().get(&id).cloned()?;
            let until = *session.used.lock().unwrap_or_else(PoisonError::into_inner) + session.idle;
            if until <= Instant::now() || self.is_lost(&session) {
                match self.turn(&id, &session.caller) {
                    Ok(turn) => return Some(turn),
                    // In use: looked at again later.
                    Err(_) => tokio::time::sleep(session.idle.min(LOOK)).await,
                }
            } else {
                drop(session);
                tokio::time::sleep_until(until.min(Instant::now() + LOOK)).await;
            }
        }
    }
}

impl Session {
    fn seen(&self) -> Seen {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        Seen {
            id: self.id.clone(),
            profile: self.profile.clone(),
            busy: self.held.try_lock().map_or(true, |held| held.is_none()),
            idle: used.elapsed(),
            idle_timeout: self.idle,
        }
    }
}

impl Place {
    /// The session is open in this box. Gives back its id, which nobody has had before.
    pub(crate) async fn fill(mut self, held: Held) -> String {
        *self.session.held.lock().await = Some(held);
        *self.session.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.filled = true;
        self.session.id.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.filled {
            self.sessions.open().remove(&self.session.id);
        }
    }
}

impl Turn {
    /// The box, to be put back unless the session is over.
    pub(crate) fn take(&mut self) -> Option<Held> {
        self.held.take()
    }

    pub(crate) fn put_back(&mut self, held: Held) {
        *self.held = Some(held);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.held.is_none() {
            self.sessions.open().remove(&self.session.id);
        } else {
            *self.session.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }
}
