//! Connections to instances: opened, kept, and driven by the task that uses them.
//!
//! A connection is polled inside the request's own future, on the thread that serves the client, so that a
//! forwarded request wakes no other task. hyper does the protocol; what is here is who polls it and where it
//! rests in between.

mod body;
mod connect;
mod connection;
mod idle;
mod target;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use plugin_api::contract::instance::Endpoint;
use plugin_api::contract::outcome::Outcome;

pub use body::UpstreamBody;
use connection::{Connection, SendError};
use idle::Idle;
pub use target::{Target, TargetError};

/// The client side of the host. One for all threads; cheap to clone.
#[derive(Clone, Default)]
pub struct Upstream {
    idle: Arc<Idle>,
}

/// Why a request got no response head.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection came about.
    #[error("could not connect: {0}")]
    Connect(#[source] std::io::Error),
    /// No connection came about in time.
    #[error("could not connect within {}", humantime::format_duration(*.0))]
    ConnectTimeout(Duration),
    /// The connection broke, or what came was not HTTP.
    #[error("{0}")]
    Protocol(#[source] hyper::Error),
}

impl UpstreamError {
    /// What it says of the instance.
    pub fn outcome(&self) -> Outcome {
        match self {
            UpstreamError::Connect(_) | UpstreamError::ConnectTimeout(_) => Outcome::ConnectFailed,
            UpstreamError::Protocol(_) => Outcome::StreamBroken,
        }
    }
}

impl Upstream {
    /// A client with no connections yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the instance registered under `key` is reached; parsed once for each thread.
    ///
    /// # Errors
    /// The endpoint is not a usable URL.
    pub fn target(&self, key: u64, endpoint: &Endpoint) -> Result<Arc<Target>, TargetError> {
        self.idle.target(key, endpoint)
    }

    /// Sends a request and returns when the response's head is there. `request` makes it: usually once, because it is
    /// nearly never needed again, and keeping a copy for that case would cost every request.
    ///
    /// A kept connection that the server closed meanwhile is replaced by a fresh one without a word: that is
    /// the keep-alive race of HTTP/1.1 and nobody's failure. Dropping the future closes the connection.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    pub async fn send(
        &self,
        key: u64,
        target: &Target,
        request: impl Fn() -> Request<Full<Bytes>>,
        connect_timeout: Duration,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        while let Some(kept) = self.idle.check_out(key) {
            match kept.send(request()).await {
                Ok((response, connection)) => return Ok(self.with_body(key, response, connection)),
                Err(SendError::Stale) => {}
                Err(SendError::Broken(error)) => return Err(UpstreamError::Protocol(error)),
            }
        }
        let fresh = tokio::time::timeout(connect_timeout, connect::connect(target))
            .await
            .map_err(|_| UpstreamError::ConnectTimeout(connect_timeout))?
            .map_err(UpstreamError::Connect)?;
        match fresh.send(request()).await {
            Ok((response, connection)) => Ok(self.with_body(key, response, connection)),
            Err(SendError::Stale) => Err(UpstreamError::Connect(std::io::ErrorKind::ConnectionReset.into())),
            Err(SendError::Broken(error)) => Err(UpstreamError::Protocol(error)),
        }
    }

    /// Closes connections that nobody used for a while. Called by the host every few seconds.
    pub fn sweep(&self) {
        self.idle.sweep();
    }

    fn with_body(
        &self,
        key: u64,
        response: Response<hyper::body::Incoming>,
        connection: Connection,
    ) -> Response<UpstreamBody> {
        response.map(|incoming| UpstreamBody::new(incoming, connection, key, self.idle.clone()))
    }
}
