//! What all requests share: settings made ready for use, and the layers below.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use plugin_api::{Error, ErrorCode, Fault, Retry};
use tokio_util::sync::CancellationToken;

use super::backend::{Admin, Backend};
use super::budget::Budget;
use super::keys::KeyRing;
use super::metrics::{Metrics, Traffic};
use super::origin::Origins;
use super::slots::Slots;
use crate::config::settings::{HostSettings, Limits};

/// What all requests share.
pub(super) struct Site<B> {
    pub backend: B,
    pub admin: Arc<dyn Admin>,
    pub keys: KeyRing,
    pub origins: Origins,
    pub limits: Limits,
    pub slots: Arc<Slots>,
    /// Of request bodies.
    pub budget: Arc<Budget>,
    /// Of answers.
    pub answers: Arc<Budget>,
    pub metrics: Arc<Metrics>,
    /// We listen on this machine only: then metrics need no key.
    pub loopback: bool,
    /// No new work: connections close after the answer they are giving.
    pub closing: CancellationToken,
    /// Set before `closing` is cancelled, so that a connection can look at every turn what asking the token costs a lock.
    pub stopping: AtomicBool,
    /// Work in flight has had its time.
    pub aborting: CancellationToken,
    /// What did not end when it was cancelled is dropped.
    pub dropping: CancellationToken,
    /// How often a silent event stream says that it is alive.
    pub keep_alive: Duration,
}

impl<B: Backend> Site<B> {
    /// # Errors
    /// A key cannot be read.
    pub(super) fn new(settings: &HostSettings, backend: B, admin: Arc<dyn Admin>) -> Result<Self, Error> {
        let limits = settings.limits.clone();
        let answers = Budget::new(limits.buffered_answer_bytes);
        Ok(Self {
            backend,
            admin,
            keys: KeyRing::read(&settings.keys, &answers)?,
            origins: Origins::new(&settings.allowed_hosts, &settings.allowed_origins),
            slots: Slots::new(limits.concurrent),
            budget: Budget::new(limits.buffered_bytes),
            answers,
            metrics: Arc::default(),
            loopback: settings.listen.ip().is_loopback(),
            closing: CancellationToken::new(),
            stopping: AtomicBool::new(false),
            aborting: CancellationToken::new(),
            dropping: CancellationToken::new(),
            keep_alive: Duration::from_secs(15),
            limits,
        })
    }
}

/// A network thread's own part of it. What is counted often is here, so that threads do not fight over it.
pub(super) struct Lane<B> {
    pub site: Arc<Site<B>>,
    pub traffic: Arc<Traffic>,
    pub closing: CancellationToken,
    pub aborting: CancellationToken,
}

impl<B: Backend> Lane<B> {
    pub(super) fn new(site: Arc<Site<B>>) -> Self {
        Self {
            traffic: site.metrics.thread(),
            closing: site.closing.child_token(),
            aborting: site.aborting.child_token(),
            site,
        }
    }
}

/// What a request hears that was cut off by the host's own end.
pub(super) fn stopping() -> Error {
    Error::new(
        ErrorCode::SHUTDOWN,
        Fault::Host,
        "the host is stopping and the time for requests in flight is over",
    )
    .retry(Retry::Now)
    .hint("send it again, to another host or when this one is back")
}
