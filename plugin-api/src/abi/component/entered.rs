//! A future that runs on behalf of a component, on whatever thread it is polled.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use super::identity::Identity;

/// Runs a future on behalf of a component, its drop included.
pub(crate) struct Entered<T> {
    identity: Arc<Identity>,
    /// Emptied only by drop.
    future: Option<BoxFuture<'static, T>>,
}

impl<T> Entered<T> {
    pub(crate) fn new(identity: Arc<Identity>, future: impl Future<Output = T> + Send + 'static) -> Self {
        Self {
            identity,
            future: Some(Box::pin(future)),
        }
    }
}

impl<T> Future for Entered<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        match &mut this.future {
            Some(future) => this.identity.enter(|| future.as_mut().poll(context)),
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for Entered<T> {
    fn drop(&mut self) {
        let future = self.future.take();
        self.identity.enter(|| drop(future));
    }
}
