//! Panics as values.
//!
//! A panic that reached the boundary would end the process: by `exit(1)` in a method of an `abi_stable` trait object, by
//! an abort in an `extern "C"` function or in the drop of an FFI future. So it never does: every entry runs its work
//! in [`catch`], and every future of somebody else's is polled and dropped by [`Contained`].

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

/// A panic that was caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic {
    /// What it said.
    pub message: String,
    /// Where it happened, `file:line:column`, if the hook of this library saw it.
    pub location: Option<String>,
}

thread_local! {
    /// What the hook saw last on this thread; a panic is caught on the thread it happened on.
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// Remembers a panic that the hook has seen, for whoever catches it on this thread.
pub(crate) fn remember(panic: Panic) {
    // Fails only while the thread is being torn down, when nobody catches anything any more.
    let _ = LAST.try_with(|last| last.replace(Some(panic)));
}

/// Runs something that may panic.
///
/// # Errors
/// The panic. Its payload is forgotten, because dropping it might panic again.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let seen = LAST.try_with(RefCell::take).ok().flatten();
        let panic = seen.unwrap_or_else(|| Panic {
            message: said(payload.as_ref()),
            location: None,
        });
        std::mem::forget(payload);
        panic
    })
}

/// What a panic's payload says, if it is text.
pub(crate) fn said(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a payload that is not text".to_owned())
}

/// Somebody else's future, whose panics are values: when polled, when it ends, and when it is dropped.
pub struct Contained<T> {
    inner: Option<BoxFuture<'static, T>>,
    on_drop: Option<OnDrop>,
}

type OnDrop = Box<dyn FnOnce(Panic) + Send>;

impl<T> Contained<T> {
    /// Contains a future. A panic while it is dropped unfinished has nobody to go to but `on_drop`.
    pub fn new(
        future: impl Future<Output = T> + Send + 'static,
        on_drop: impl FnOnce(Panic) + Send + 'static,
    ) -> Self {
        Self {
            inner: Some(Box::pin(future)),
            on_drop: Some(Box::new(on_drop)),
        }
    }
}

impl<T> Future for Contained<T> {
    type Output = Result<T, Panic>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(inner) = self.inner.as_mut() else {
            // Polled after its end, which is a mistake of ours; waiting for ever would hide it worse.
            return Poll::Ready(Err(Panic {
                message: "polled after its end".to_owned(),
                location: None,
            }));
        };
        let polled = catch(|| inner.as_mut().poll(context));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => {
                let inner = self.inner.take();
                // What it held to its end goes now; the value is kept even if that panics.
                if let (Err(panic), Some(on_drop)) = (catch(|| drop(inner)), self.on_drop.take()) {
                    on_drop(panic);
                }
                Poll::Ready(Ok(value))
            }
            Err(panic) => {
                let inner = self.inner.take();
                let _ = catch(|| drop(inner));
                Poll::Ready(Err(panic))
            }
        }
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && let Err(panic) = catch(|| drop(inner))
            && let Some(on_drop) = self.on_drop.take()
        {
            on_drop(panic);
        }
    }
}
