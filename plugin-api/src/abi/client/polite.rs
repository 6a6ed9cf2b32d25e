//! Polite cancellation: a signal, a grace, then the drop.
//!
//! A future cannot wait in its own drop, so one that is dropped unfinished hands over what it awaited to a task, which
//! tells the component, gives it the grace to finish by itself, and drops the rest.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};
use std::time::Duration;

use async_ffi::FfiFuture;
use futures_util::StreamExt as _;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::count;
use crate::ByteStream;
use crate::abi::raw::{RawPluginBox, RawStreamBox};
use crate::abi::shared::stream;

/// How long a component has to stop by itself, and the runtime on which that is waited for.
#[derive(Debug, Clone)]
pub struct Grace {
    /// How long; 250 ms unless configured.
    pub period: Duration,
    /// Where.
    pub runtime: Handle,
}

/// A component, and how patient to be with it.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) raw: Arc<RawPluginBox>,
    pub(super) grace: Grace,
}

impl Link {
    /// Tells the component that nobody wants a call any more, and gives it the grace to let go.
    fn let_go(self, number: u64, rest: impl Future<Output = ()> + Send + 'static) {
        let Grace { period, runtime } = self.grace;
        runtime.spawn(async move {
            self.raw.cancel(number);
            let _ = tokio::time::timeout(period, rest).await;
        });
    }
}

/// A call in flight.
pub(super) struct Polite<T: Send + 'static> {
    link: Link,
    number: u64,
    /// `None` once it has answered.
    answer: Option<FfiFuture<T>>,
}

// An `FfiFuture` points to its state on the heap.
impl<T: Send + 'static> Unpin for Polite<T> {}

impl<T: Send + 'static> Polite<T> {
    pub(super) fn new(link: Link, number: u64, answer: FfiFuture<T>) -> Self {
        Self {
            link,
            number,
            answer: Some(answer),
        }
    }

    /// The answer. If this fires before, the component is told, and may still answer as long as somebody waits.
    pub(super) async fn until(mut self, cancellation: CancellationToken) -> T {
        tokio::select! {
            biased;
            answer = &mut self => return answer,
            () = cancellation.cancelled() => self.link.raw.cancel(self.number),
        }
        (&mut self).await
    }
}

impl<T: Send + 'static> Future for Polite<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(answer) = self.answer.as_mut() else {
            return Poll::Pending;
        };
        let polled = Pin::new(answer).poll(context);
        if polled.is_ready() {
            self.answer = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Polite<T> {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            self.link.clone().let_go(self.number, async move {
                drop(answer.await);
            });
        }
    }
}

/// A stream in flight; `None` once it has ended.
struct PoliteStream {
    link: Link,
    number: u64,
    raw: Option<RawStreamBox>,
    panics: Arc<AtomicU64>,
}

impl Drop for PoliteStream {
    fn drop(&mut self) {
        if let Some(mut raw) = self.raw.take() {
            self.link.clone().let_go(self.number, async move {
                while let Some(Ok(_)) = stream::next(&mut raw).await {}
            });
        }
    }
}

/// A component's stream as an ordinary one.
pub(super) fn stream(link: Link, number: u64, raw: RawStreamBox, panics: Arc<AtomicU64>) -> ByteStream {
    let state = PoliteStream {
        link,
        number,
        raw: Some(raw),
        panics,
    };
    futures_util::stream::unfold(state, |mut state| async move {
        let item = stream::next(state.raw.as_mut()?).await;
        if let Some(Err(error)) = &item {
            count(&state.panics, error);
        }
        if !matches!(item, Some(Ok(_))) {
            state.raw = None;
        }
        item.map(|item| (item, state))
    })
    .boxed()
}
