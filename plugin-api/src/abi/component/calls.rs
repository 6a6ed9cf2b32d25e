//! The calls in flight, by number, so that the host can say that nobody wants one any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The calls in flight. The lock is held for a look-up, never while anything else runs.
#[derive(Default)]
pub(crate) struct Calls {
    tokens: Mutex<HashMap<u64, CancellationToken>>,
}

/// A call in flight; dropping this ends it.
pub(crate) struct CallGuard {
    calls: Arc<Calls>,
    number: u64,
}

impl Calls {
    fn tokens(&self) -> MutexGuard<'_, HashMap<u64, CancellationToken>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call. A number that is taken is taken over: the host counts up, and never comes by one twice.
    pub(crate) fn begin(self: &Arc<Self>, number: u64) -> (CallGuard, CancellationToken) {
        let token = CancellationToken::new();
        self.tokens().insert(number, token.clone());
        let guard = CallGuard {
            calls: self.clone(),
            number,
        };
        (guard, token)
    }

    /// Tells a call that nobody wants it any more.
    pub(crate) fn cancel(&self, number: u64) {
        let token = self.tokens().get(&number).cloned();
        // Outside of the lock: cancelling wakes, and a waker may be anybody's code.
        if let Some(token) = token {
            token.cancel();
        }
    }

    /// Tells all of them.
    pub(crate) fn cancel_all(&self) {
        let tokens: Vec<_> = self.tokens().values().cloned().collect();
        for token in tokens {
            token.cancel();
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.tokens().len()
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.calls.tokens().remove(&self.number);
    }
}
