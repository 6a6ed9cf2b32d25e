//! The runtime a component's work runs on.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Builder, Handle, Runtime};

use super::identity::Identity;
use crate::{Error, ErrorCode, Fault};

/// A thread's name has 15 bytes, of which these are ours.
const PREFIX: &str = "plg-";
const NAME_BYTES: usize = 15 - PREFIX.len();

/// A runtime of the component's own, or, for tests that want their own clock, somebody else's.
pub(crate) struct Executor {
    handle: Handle,
    own: Mutex<Option<Runtime>>,
}

impl Executor {
    /// A runtime of its own, with this many workers.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub(crate) fn own(identity: &Arc<Identity>, workers: usize) -> Result<Self, Error> {
        let identity = identity.clone();
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers.max(1))
            .thread_name(thread_name(&identity.name))
            .on_thread_start(move || identity.adopt_thread())
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(
                    ErrorCode::INIT_FAILED,
                    Fault::Host,
                    format!("cannot start the component's runtime: {error}"),
                )
                .hint("raise the limit on threads, or lower the component's workers")
            })?;
        Ok(Self {
            handle: runtime.handle().clone(),
            own: Mutex::new(Some(runtime)),
        })
    }

    /// A runtime that is there already, and stays when the component ends.
    pub(crate) fn borrowed(handle: Handle) -> Self {
        Self {
            handle,
            own: Mutex::new(None),
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Stops a runtime of its own without waiting: its threads end by themselves, dropping every task there is.
    pub(crate) fn stop(&self) {
        let runtime = self.own.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            // An ordinary drop would wait for blocking work, on whatever thread this is.
            runtime.shutdown_background();
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.stop();
    }
}

fn thread_name(component: &str) -> String {
    let mut end = component.len().min(NAME_BYTES);
    while !component.is_char_boundary(end) {
        end -= 1;
    }
    format!("{PREFIX}{}", &component[..end])
}

#[cfg(test)]
mod tests {
    use super::thread_name;

    #[test]
    fn a_threads_name_fits_into_fifteen_bytes() {
        assert_eq!(thread_name("ollama"), "plg-ollama");
        assert_eq!(thread_name("a-very-long-name"), "plg-a-very-long");
        assert_eq!(thread_name("ääääääää"), "plg-äääää");
    }
}
