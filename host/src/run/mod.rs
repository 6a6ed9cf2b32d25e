//! A host from its settings to its end: load, build, bind, serve, stop.

mod admin;
mod assemble;
mod backend;
mod limits;
mod stop;
mod workshop;

use std::net::SocketAddr;
use std::sync::Arc;

use plugin_api::{Error, ErrorCode, Fault};
use tokio_util::sync::CancellationToken;

pub use admin::Operator;
use assemble::Assembly;
pub use stop::signals;

use crate::config::Settings;
use crate::dispatch::Dispatcher;
use crate::gateway::Gateway;
use crate::plugin::Catalogue;

/// Threads of the runtime that probes, discovers and carries out verbs. Bytes of requests do not pass it.
const CONTROL_THREADS: usize = 2;

/// A host that is ready to serve.
pub struct Host {
    gateway: Gateway<Dispatcher>,
    assembly: Assembly,
    settings: Settings,
}

/// The runtime that everything but the network runs on.
///
/// # Errors
/// The system gives us no threads.
pub fn control_runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(|error| {
            Error::new(
                ErrorCode::INTERNAL_ERROR,
                Fault::Host,
                format!("no threads: {error}"),
            )
        })
}

impl Host {
    /// Loads plugins, builds components, binds the listener. A plugin that cannot be used is refused and shown; the
    /// others serve.
    ///
    /// # Errors
    /// The address cannot be listened on, or a key cannot be read.
    pub async fn start(settings: Settings, catalogue: Arc<Catalogue>) -> Result<Self, Error> {
        let assembly = Assembly::build(&settings, catalogue).await?;
        let operator = Arc::new(Operator::new(
            assembly.dispatcher.clone(),
            assembly.unready.clone(),
        ));
        let gateway = Gateway::bind(&settings.host, assembly.dispatcher.clone(), operator).await?;
        Ok(Self {
            gateway,
            assembly,
            settings,
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.gateway.local_addr()
    }

    /// Serves until `stop` is cancelled, then stops cleanly: no new work, work in flight finished within the
    /// limit, then cancelled with an explicit error; what hubs started is stopped; plugins are shut down last.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let sweeper = tokio::spawn(stop::sweep(self.assembly.dispatcher.upstream().clone()));
        let served = self.gateway.run(stop).await;
        sweeper.abort();
        self.assembly.shut_down(self.settings.host.shutdown_timeout).await;
        served.map(drop)
    }
}

/// Runs a host in this process until a signal ends it. `ready` is told where it listens.
///
/// # Errors
/// As [`Host::start`] and [`Host::run`].
pub fn serve(
    settings: Settings,
    catalogue: Arc<Catalogue>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Error> {
    limits::raise_open_files();
    let runtime = control_runtime()?;
    let served = runtime.block_on(async {
        let stop = signals().map_err(|error| {
            let message = format!("cannot listen for signals: {error}");
            Error::new(ErrorCode::INTERNAL_ERROR, Fault::Host, message)
        })?;
        let host = Host::start(settings, catalogue).await?;
        ready(host.local_addr());
        host.run(stop).await
    });
    // Plugins were given their time; whatever still runs there must not hold the process.
    runtime.shutdown_background();
    served
}
