//! What operations mean: one implementation for hubs, one for providers.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{ByteStream, Context, Error};

/// The author's type behind the names of operations. Runs contained: it may panic.
pub(crate) trait Serve: Send + Sync + 'static {
    /// See [`RawPlugin::decide`](crate::abi::raw::RawPlugin::decide).
    fn decide(&self, head: &[u8], body: &[u8]) -> Result<Vec<u8>, Error>;
    /// See [`RawPlugin::query`](crate::abi::raw::RawPlugin::query).
    fn query(&self, op: &str, payload: &[u8]) -> Result<Vec<u8>, Error>;
    /// See [`RawPlugin::call`](crate::abi::raw::RawPlugin::call).
    fn call(
        self: Arc<Self>,
        op: &str,
        context: Context,
        payload: Bytes,
    ) -> BoxFuture<'static, Result<Vec<u8>, Error>>;
    /// See [`RawPlugin::open`](crate::abi::raw::RawPlugin::open).
    fn open(
        self: Arc<Self>,
        op: &str,
        context: Context,
        payload: Bytes,
    ) -> BoxFuture<'static, Result<Opened, Error>>;
}

/// What an `open` answers, before it is made fit to cross.
pub(crate) struct Opened {
    pub(crate) head: Vec<u8>,
    pub(crate) stream: Option<ByteStream>,
}

/// The answer to an operation that this kind of component does not have.
pub(crate) fn unknown(op: &str) -> Error {
    Error::unsupported(format!("the operation `{op}`"))
}

/// The same, where a future is wanted.
pub(crate) fn unknown_later<T: Send + 'static>(op: &str) -> BoxFuture<'static, Result<T, Error>> {
    let error = unknown(op);
    Box::pin(async move { Err(error) })
}
