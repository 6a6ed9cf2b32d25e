//! The server under every fake: a port, what it heard, and the faults in force.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::{
    fault::{Fault, Rules},
    reply::Dialect,
};

mod connections;
mod exchange;
mod journal;
mod line;
mod outgoing;
mod port;

use connections::Connections;
pub(crate) use exchange::Shared;
use journal::Journal;
pub use journal::{Ending, Recorded};
use port::Port;

/// How long [`FakeServer::until`] waits: long enough for a loaded machine, short enough to fail a test.
const PATIENCE: Duration = Duration::from_secs(20);

/// A fake server's handle: what it heard, and how to make it fail, die and come back.
///
/// It exists once for all fakes, which dereference to it. Dropping it stops the server and resets its connections.
/// All methods may be called from any thread; those that fail do so only when the port cannot be had again.
#[derive(Debug)]
pub struct FakeServer {
    shared: Arc<Shared>,
    port: Arc<Port>,
    accepting: AbortHandle,
}

impl FakeServer {
    /// Listens on loopback, on `port` or one of the kernel's choosing if that is 0.
    pub(crate) async fn start(dialect: Arc<dyn Dialect>, port: u16, control: bool) -> io::Result<Self> {
        let port = Arc::new(Port::reserve(port)?);
        port.open()?;
        let shared = Arc::new(Shared {
            dialect,
            control,
            port: Arc::clone(&port),
            rules: Mutex::new(Rules::default()),
            journal: Arc::new(Journal::default()),
            connections: Arc::new(Connections::default()),
        });
        let accepting = tokio::spawn(Arc::clone(&shared).accept()).abort_handle();
        Ok(Self {
            shared,
            port,
            accepting,
        })
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The address of `path` on this server.
    pub fn url_of(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr())
    }

    /// Where it listens; it stays the same through death and revival.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Every request it read whole, in the order in which their bodies ended.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.journal.all()
    }

    /// The requests whose path is `path`.
    pub fn requests_to(&self, path: &str) -> Vec<Recorded> {
        self.requests()
            .into_iter()
            .filter(|request| request.path == path)
            .collect()
    }

    /// Forgets the requests so far, and the peak.
    pub fn forget_requests(&self) {
        self.shared.journal.forget();
    }

    /// How many requests are being answered now; one whose client is gone no longer is.
    pub fn in_flight(&self) -> usize {
        self.shared.journal.in_flight()
    }

    /// The most requests that were ever being answered at once.
    pub fn peak_in_flight(&self) -> usize {
        self.shared.journal.peak()
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.shared.connections.count()
    }

    /// Makes every request fail, until [`FakeServer::heal`].
    ///
    /// [`Fault::Refuse`] also closes the port and resets what is connected, unless probes are spared.
    pub fn fail(&self, fault: Fault) {
        self.shared.fail(fault);
    }

    /// Makes requests to `path` fail, whatever was said of all.
    pub fn fail_on(&self, path: &str, fault: Fault) {
        self.shared.rules.lock().on(path, fault);
    }

    /// Makes the next `requests` fail, wherever they go.
    pub fn fail_next(&self, requests: usize, fault: Fault) {
        self.shared.rules.lock().next(requests, fault);
    }

    /// Whether GET and HEAD stay healthy while the rest fails: health checks then see nothing. They use up nothing of
    /// [`FakeServer::fail_next`] either. Say it before [`FakeServer::fail`].
    pub fn spare_probes(&self, spare: bool) {
        self.shared.rules.lock().spare_probes(spare);
    }

    /// Ends all faults, spared probes included, and listens again if a fault had closed the port.
    pub fn heal(&self) -> io::Result<()> {
        self.shared.heal()
    }

    /// Dies as a killed process does: the port is closed, every connection is reset. Returns when nothing is in
    /// flight any more. The port stays reserved.
    pub async fn kill(&self) {
        self.shared.die();
        // A connection may have been on its way from the kernel when the rest were reset.
        let gone = |server: &Self| {
            server.shared.connections.reset_all();
            server.connections() == 0
        };
        self.until("its connections to be gone", gone).await;
    }

    /// Comes back on the same port, with what a restart keeps: what is on disk, not what was in memory.
    pub async fn revive(&self) -> io::Result<()> {
        self.shared.dialect.restarted();
        self.port.open()
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    ///
    /// With `what` and what was heard so far, if it does not hold in 20 seconds.
    pub async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        // Told by the clock on the wall: with a paused clock a virtual deadline passes as soon as all wait for the kernel.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let changed = self.shared.journal.changed();
            if condition(self) {
                return;
            }
            let late = Instant::now() > deadline;
            assert!(
                !late,
                "{} waited in vain for {what}; heard: {:#?}",
                self.addr(),
                self.requests()
            );
            // Not everything a condition may ask about is announced, so it is asked now and then regardless.
            let _ = tokio::time::timeout(Duration::from_millis(10), changed).await;
        }
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.shared.die();
        self.accepting.abort();
    }
}
