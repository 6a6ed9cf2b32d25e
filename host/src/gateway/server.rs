//! The server: accepts connections, shares them out, and stops without losing work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use plugin_api::{Error, ErrorCode, Fault};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::backend::{Admin, Backend};
use super::bad_head;
use super::site::Site;
use super::slots::Slots;
use super::worker::Worker;
use crate::config::settings::HostSettings;

/// How long a refused connection is kept, at most, so that its client can read why.
const REFUSAL: Duration = Duration::from_millis(500);

/// How many of those at once; further ones are closed without a word.
const REFUSALS: usize = 64;

/// How long to leave the listener alone when the operating system is out of file descriptors.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// After cancelled work had its grace, how long its last words may take to be sent.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The HTTP server, bound and not yet running.
pub struct Gateway<B> {
    site: Arc<Site<B>>,
    listener: TcpListener,
    address: SocketAddr,
    threads: usize,
    shutdown_timeout: Duration,
    cancel_grace: Duration,
}

impl<B: Backend> Gateway<B> {
    /// Takes the address and reads the keys. Must be called within a tokio runtime. From here on clients can
    /// connect; they are answered once it [runs](Self::run).
    ///
    /// # Errors
    /// `CONFIGURATION`: the address is taken or is not this machine's, a key cannot be used, or it listens beyond
    /// this machine with neither keys nor the word that none are wanted.
    pub async fn bind(settings: &HostSettings, backend: B, admin: Arc<dyn Admin>) -> Result<Self, Error> {
        let site = Arc::new(Site::new(settings, backend, admin)?);
        if site.keys.is_open() && !site.loopback && !settings.allow_anonymous {
            return Err(refusal(format!(
                "listening on {} would let everyone in who can reach it",
                settings.listen
            ))
            .hint("configure `[host] keys`, listen on 127.0.0.1, or say `allow_anonymous = true`"));
        }
        let cannot = |error: std::io::Error| {
            refusal(format!("cannot listen on {}: {error}", settings.listen))
                .hint("another program may have the port; change `[host] listen`")
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(cannot)?;
        Ok(Self {
            address: listener.local_addr().map_err(cannot)?,
            listener,
            threads: match settings.network_threads {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                threads => threads,
            },
            shutdown_timeout: settings.shutdown_timeout,
            cancel_grace: settings.cancel_grace,
            site,
        })
    }

    /// Where it listens; with port 0 in the settings, the port it was given.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    #[cfg(test)]
    pub(super) fn keep_alive_every(&mut self, every: Duration) {
        if let Some(site) = Arc::get_mut(&mut self.site) {
            site.keep_alive = every;
        }
    }

    #[cfg(test)]
    pub(super) fn site(&self) -> &Arc<Site<B>> {
        &self.site
    }

    /// Serves until told to stop, then stops in order: no new work, work in flight finished within
    /// `shutdown_timeout`, the rest cancelled with an explicit error. Returns how many requests were cancelled.
    /// Dropping the future cancels everything at once.
    ///
    /// # Errors
    /// A network thread could not be started.
    pub async fn run(self, stop: CancellationToken) -> Result<usize, Error> {
        let _drop = self.site.dropping.clone().drop_guard();
        let workers = (0..self.threads)
            .map(|number| Worker::start(&self.site, number))
            .collect::<Result<Vec<_>, _>>()?;
        tracing::info!(address = %self.address, threads = self.threads, "listening");
        tokio::select! {
            () = self.accept(&workers) => {}
            () = stop.cancelled() => {}
        }

        drop(self.listener);
        self.site.stopping.store(true, Ordering::Release);
        self.site.closing.cancel();
        let in_flight = self.site.slots.taken();
        tracing::info!(in_flight, within = ?self.shutdown_timeout, "stopping: no new requests");
        let mut ended = Box::pin(join_all(workers.into_iter().map(Worker::end)));
        if timeout(self.shutdown_timeout, &mut ended).await.is_ok() {
            return Ok(0);
        }
        let cancelled = self.site.slots.taken();
        tracing::warn!(cancelled, "stopping: cancelling what is still in flight");
        self.site.aborting.cancel();
        if timeout(self.cancel_grace + LAST_WORDS, &mut ended).await.is_err() {
            tracing::warn!("stopping: dropping what did not end when cancelled");
            self.site.dropping.cancel();
            ended.await;
        }
        Ok(cancelled)
    }

    /// Accepts, and gives each connection to the thread with the fewest. One place that accepts, rather than
    /// each thread for itself: those that happen to be awake would take more than their share of long-lived
    /// connections. It costs a wake-up per connection and none per request.
    async fn accept(&self, workers: &[Worker]) {
        let refusals = Slots::new(REFUSALS);
        let limit = self.site.limits.connections as u64;
        let mut failing = false;
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => {
                    failing = false;
                    stream
                }
                Err(error) if is_the_clients(&error) => continue,
                Err(error) => {
                    // Said once until it is over: this happens many times a second.
                    if !failing {
                        tracing::warn!(%error, "cannot accept connections; is `ulimit -n` too low?");
                    }
                    failing = true;
                    sleep(EXHAUSTED).await;
                    continue;
                }
            };
            if self.site.metrics.open() >= limit {
                self.site.metrics.refused.fetch_add(1, Ordering::Relaxed);
                if let Some(slot) = refusals.take() {
                    tokio::spawn(async move {
                        refuse(stream).await;
                        drop(slot);
                    });
                }
                continue;
            }
            let Some(worker) = workers.iter().min_by_key(|worker| worker.traffic.open()) else {
                return;
            };
            match stream.into_std() {
                Ok(stream) => worker.give(stream),
                Err(error) => tracing::warn!(%error, "a connection could not be handed over"),
            }
        }
    }
}

/// Tells a client that there are too many, and reads away what it sends so that it gets to hear it.
async fn refuse(mut stream: TcpStream) {
    let _ = timeout(REFUSAL, async {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &bad_head::too_many()).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
        let mut scrap = [0; 1024];
        while stream.read(&mut scrap).await.is_ok_and(|bytes| bytes > 0) {}
    })
    .await;
}

/// Failures to accept that concern one client and not the listener.
fn is_the_clients(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

fn refusal(message: String) -> Error {
    Error::new(ErrorCode::CONFIGURATION, Fault::Client, message)
}
