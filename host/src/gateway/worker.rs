//! A network thread: a runtime of its own, with the connections that were given to it.
//!
//! A connection, the requests on it and the upstream connections they use stay on one thread, so that carrying
//! bytes wakes no other.

use std::net::TcpStream as StdStream;
use std::sync::Arc;
use std::thread::JoinHandle;

use hyper::server::conn::http1;
use plugin_api::{Error, ErrorCode, Fault};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::backend::Backend;
use super::connection;
use super::metrics::Traffic;
use super::site::{Lane, Site};

/// A handle to a network thread. Dropping it lets the thread finish what it has and end.
pub(super) struct Worker {
    connections: mpsc::UnboundedSender<StdStream>,
    pub traffic: Arc<Traffic>,
    /// Resolves when the thread has nothing left.
    done: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system gives no thread or no event queue.
    pub(super) fn start<B: Backend>(site: &Arc<Site<B>>, number: usize) -> Result<Self, Error> {
        let lane = Arc::new(Lane::new(site.clone()));
        let traffic = lane.traffic.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| cannot_start(&error))?;
        let (connections, incoming) = mpsc::unbounded_channel();
        let (finished, done) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(format!("net-{number}"))
            .spawn(move || {
                runtime.block_on(run(lane, incoming));
                // Dropped before the word is given: whoever waits for it may rely on nothing being left.
                drop(runtime);
                let _ = finished.send(());
            })
            .map_err(|error| cannot_start(&error))?;
        Ok(Self {
            connections,
            traffic,
            done,
            thread,
        })
    }

    /// Gives it a connection. Counted at once, so that the next one goes to another thread.
    pub(super) fn give(&self, stream: StdStream) {
        self.traffic.accepted();
        if self.connections.send(stream).is_err() {
            self.traffic.closed();
        }
    }

    /// Gives it no more, and waits until all it has have ended.
    pub(super) async fn end(self) {
        drop(self.connections);
        let _ = self.done.await;
        // It has said that it is done, so this does not wait.
        if self.thread.join().is_err() {
            tracing::error!("a network thread panicked");
        }
    }
}

fn cannot_start(error: &std::io::Error) -> Error {
    Error::new(
        ErrorCode::INTERNAL_ERROR,
        Fault::Host,
        format!("a network thread could not be started: {error}"),
    )
}

/// Serves what comes in; ends when no more can come and all that came has ended, or when all is aborted.
async fn run<B: Backend>(lane: Arc<Lane<B>>, mut incoming: mpsc::UnboundedReceiver<StdStream>) {
    let protocol: http1::Builder = connection::protocol(&lane.site.limits);
    let tasks = TaskTracker::new();
    while let Some(stream) = incoming.recv().await {
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                // Small pieces of a stream must not wait for each other.
                let _ = stream.set_nodelay(true);
                tasks.spawn(connection::serve(lane.clone(), protocol.clone(), stream));
            }
            Err(error) => {
                lane.traffic.closed();
                tracing::warn!(%error, "a connection could not be taken over");
            }
        }
    }
    tasks.close();
    tokio::select! {
        () = tasks.wait() => {}
        () = lane.site.dropping.cancelled() => {}
    }
}
