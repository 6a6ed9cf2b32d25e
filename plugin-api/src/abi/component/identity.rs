//! Which component is running: whose log an event belongs to, whose panic a panic is.
//!
//! One library may run several components at once (a hub and a provider, or the same hub under two names), each with
//! its own runtime and its own line to the host, while subscriber and panic hook are one per library. So every
//! thread knows whose work it is doing.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::abi::raw::RawHostBox;
use crate::abi::shared::contain::{Panic, catch};
use crate::abi::wire;
use crate::{Error, ErrorCode, Fault};

/// A component's name, its line to the host, and its count of panics.
pub(crate) struct Identity {
    pub(crate) name: String,
    /// The most detailed level anybody will see: 0 is off, 5 is trace.
    pub(crate) level: AtomicU8,
    pub(crate) panics: AtomicU64,
    host: RawHostBox,
    gone: AtomicBool,
}

thread_local! {
    /// The component on whose behalf this thread runs at the moment; null outside of any.
    static SCOPE: Cell<*const Identity> = const { Cell::new(ptr::null()) };
    /// The component to whose runtime this thread belongs.
    static THREAD: RefCell<Option<Arc<Identity>>> = const { RefCell::new(None) };
}

/// The component built last, for threads that the author started.
static LATEST: Mutex<Weak<Identity>> = Mutex::new(Weak::new());

impl Identity {
    pub(crate) fn new(name: String, level: u8, host: RawHostBox) -> Self {
        Self {
            name,
            level: AtomicU8::new(level),
            panics: AtomicU64::new(0),
            host,
            gone: AtomicBool::new(false),
        }
    }

    /// The host, or what its services answer when the component has ended.
    pub(crate) fn host(&self) -> Result<&RawHostBox, Error> {
        if self.gone.load(Ordering::Acquire) {
            return Err(Error::new(
                ErrorCode::GONE,
                Fault::Plugin,
                format!(
                    "{} has been shut down and the host no longer serves it",
                    self.name
                ),
            ));
        }
        Ok(&self.host)
    }

    /// From now on the host's services answer `GONE`.
    pub(crate) fn leave(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// Sends an event to the host's log. Open even after the end: last words matter, and the host can tell.
    pub(crate) fn emit(&self, level: u8, target: &str, record: &wire::log::LogRecord) {
        if let Ok(record) = serde_json::to_vec(record) {
            self.host.emit(level, target.into(), record.as_slice().into());
        }
    }

    /// Whether anybody would see such an event.
    pub(crate) fn enabled(&self, level: u8, target: &str) -> bool {
        level <= self.level.load(Ordering::Relaxed) && host_wants(&self.host, level, target)
    }

    /// Runs something on behalf of this component.
    pub(crate) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Restore(*const Identity);
        impl Drop for Restore {
            fn drop(&mut self) {
                let _ = SCOPE.try_with(|scope| scope.set(self.0));
            }
        }
        let before = SCOPE.try_with(|scope| scope.replace(self)).unwrap_or(ptr::null());
        let _restore = Restore(before);
        work()
    }

    /// Runs the author's code on behalf of this component.
    ///
    /// # Errors
    /// Its own, or that it panicked.
    pub(crate) fn contain<T>(&self, what: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        match catch(|| self.enter(work)) {
            Ok(result) => result,
            Err(panic) => Err(self.panicked(what, &panic)),
        }
    }

    /// The error that tells of a panic.
    pub(crate) fn panicked(&self, what: &str, panic: &Panic) -> Error {
        let place = panic.location.as_deref().unwrap_or("place unknown");
        let error = Error::new(
            ErrorCode::PANICKED,
            Fault::Plugin,
            format!("{} panicked in `{what}`: {} ({place})", self.name, panic.message),
        )
        .hint("this is a bug in the plugin; its log has the details");
        match &panic.location {
            // The hook has told the host already, which must not count it twice.
            Some(location) => error.detail("panic", location.as_str()),
            None => error,
        }
    }

    /// Makes this the component of the thread it is called on.
    pub(crate) fn adopt_thread(self: &Arc<Self>) {
        let _ = THREAD.try_with(|thread| thread.replace(Some(self.clone())));
    }

    /// Makes this the component of threads that belong to none.
    pub(crate) fn adopt_strays(self: &Arc<Self>) {
        *LATEST.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(self);
    }

    /// Asks something of the component that is running here, if one is.
    pub(crate) fn current<T>(ask: impl FnOnce(&Identity) -> T) -> Option<T> {
        let scope = SCOPE.try_with(Cell::get).unwrap_or(ptr::null());
        if !scope.is_null() {
            // SAFETY: only `enter` stores a pointer, to the `&self` that it holds until it has put back what was there
            // before, on this same thread, unwinding included. So the identity outlives this call.
            return Some(ask(unsafe { &*scope }));
        }
        let thread = THREAD.try_with(|thread| thread.borrow().clone()).ok().flatten();
        thread.or_else(latest).map(|identity| ask(&identity))
    }
}

fn latest() -> Option<Arc<Identity>> {
    // Called from the panic hook too, where waiting for a lock that this thread may hold would be the end.
    LATEST.try_lock().ok()?.upgrade()
}

#[cfg(not(feature = "matrix-older"))]
fn host_wants(host: &RawHostBox, level: u8, target: &str) -> bool {
    host.enabled(level, target.into())
}

#[cfg(feature = "matrix-older")]
fn host_wants(_host: &RawHostBox, _level: u8, _target: &str) -> bool {
    true
}
