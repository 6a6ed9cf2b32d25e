//! Local servers that the hub runs itself.
//!
//! Each is a process group of its own, so that the runners it starts end with it. Three things end it: being stopped
//! (asked, then killed), its [`Process`] being dropped (killed), and the end of the host however sudden (asked, then
//! killed, by its [guard](guard)). When and how often to start again is the engine's affair.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use plugin_api::contract::instance::{Endpoint, Origin};
use plugin_api::http::Client;
use plugin_api::{Error, ErrorCode, Fault, ResourceInstance};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::address::DIALECTS;
use crate::api::Server;
use crate::config::StartConfig;

mod child;
mod guard;
mod usage;

pub(crate) use child::Process;

/// Between two looks at whether a server answers yet.
const POLL: Duration = Duration::from_millis(100);

/// How long one such look may take.
const LOOK: Duration = Duration::from_secs(2);

/// A server could not be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    /// One that we run has this id already.
    #[error("`{id}` runs already, as process {pid}")]
    Running {
        /// The instance.
        id: String,
        /// Its process.
        pid: u32,
    },
    /// Somebody else listens there.
    #[error("{address} is in use{by}")]
    AddressInUse {
        /// The address it should listen on.
        address: SocketAddr,
        /// By what, as far as one can tell.
        by: String,
    },
    /// The address cannot be listened on at all.
    #[error("cannot listen on {address}: {reason}")]
    Address {
        /// The address it should listen on.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// Nothing to run.
    #[error("the command is empty")]
    NoCommand,
    /// The server keeps its key below the home directory, and dies without one.
    #[error("HOME is not set, without which the server does not start")]
    NoHome,
    /// The program is not there, or may not be run.
    #[error("cannot run `{program}`: {reason}")]
    Spawn {
        /// The program.
        program: String,
        /// What the system said.
        reason: String,
    },
    /// It ended before it answered.
    #[error("`{program}` ended while starting ({status}){output}")]
    Ended {
        /// The program.
        program: String,
        /// How it ended.
        status: String,
        /// Its last lines.
        output: String,
    },
    /// It runs and does not answer.
    #[error("`{program}` did not answer at {address} within {limit:?}{output}")]
    NotReady {
        /// The program.
        program: String,
        /// Where it should have answered.
        address: SocketAddr,
        /// How long it was given.
        limit: Duration,
        /// Its last lines.
        output: String,
    },
    /// It ended after it had answered.
    #[error("process {pid} has ended ({status}){output}")]
    Gone {
        /// The process.
        pid: u32,
        /// How it ended.
        status: String,
        /// Its last lines.
        output: String,
    },
    /// It is none of ours.
    #[error("`{0}` was not started by this hub")]
    Foreign(String),
    /// Not even killing helped, which the kernel does to a process that waits for a broken device.
    #[error("process {0} does not end")]
    Unkillable(u32),
}

impl From<ProcessError> for Error {
    fn from(error: ProcessError) -> Self {
        let message = error.to_string();
        let configuration =
            |hint: &str| Error::new(ErrorCode::CONFIGURATION, Fault::Host, message.clone()).hint(hint);
        match error {
            ProcessError::Running { .. } => Error::invalid(message),
            ProcessError::Foreign(_) => {
                Error::invalid(message).hint("only what the hub started can be stopped")
            }
            ProcessError::AddressInUse { .. } => {
                configuration("name that server under `instances`, or give this one another port")
            }
            ProcessError::Address { .. } => {
                configuration("give an address of this machine and a port above 1023")
            }
            ProcessError::NoCommand => configuration("write it like command = [\"ollama\", \"serve\"]"),
            ProcessError::NoHome => configuration("set environment = { HOME = \"…\" } for it"),
            ProcessError::Spawn { .. } => configuration("install it, or give its full path in `command`"),
            ProcessError::Ended { .. } | ProcessError::Gone { .. } | ProcessError::Unkillable(_) => {
                Error::instance(ErrorCode::UNHEALTHY, message)
            }
            ProcessError::NotReady { .. } => Error::instance(ErrorCode::TIMEOUT, message),
        }
    }
}

/// The servers that this hub runs, by instance. The lock is never held across an await.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    by_instance: Mutex<HashMap<String, Arc<Process>>>,
    /// Where servers are being started, so that discovery does not find them first.
    starting: Mutex<Vec<SocketAddr>>,
}

impl Processes {
    /// Starts a server and waits until it answers. Dropping the future kills it.
    pub(crate) async fn start(
        &self,
        client: &Client,
        config: StartConfig,
    ) -> Result<ResourceInstance, ProcessError> {
        let (id, address) = (config.id(), config.address());
        if let Some(process) = self.of(&id).filter(|process| process.ended().is_none()) {
            return Err(ProcessError::Running {
                id,
                pid: process.pid(),
            });
        }
        let _starting = Starting::new(&self.starting, address);
        let endpoint = Endpoint::new(format!("http://{address}"));
        let server = Server::new(client, &endpoint);
        is_free(config.listen(), server).await?;

        let process = Process::spawn(&config, &id)?;
        await_ready(&process, server, address, config.ready_timeout.0).await?;
        let mut instance = ResourceInstance::new(&id);
        instance.metadata.insert("pid".to_owned(), process.pid().into());
        self.by_instance.lock().insert(id, Arc::new(process));

        instance.endpoint = Some(endpoint);
        instance.dialects = DIALECTS.map(str::to_owned).into();
        instance.origin = Origin::Started;
        instance.tags = config.tags;
        instance.weight = config.weight;
        instance.priority = config.priority;
        instance.max_concurrent = config.max_concurrent;
        Ok(instance)
    }

    /// Ends a server: asked first, killed when its time is over. Dropping the future does not take that
    /// back.
    pub(crate) async fn stop(&self, id: &str) -> Result<(), ProcessError> {
        let process = self.of(id).ok_or_else(|| ProcessError::Foreign(id.to_owned()))?;
        process.stop().await?;
        self.by_instance
            .lock()
            .retain(|_, other| !Arc::ptr_eq(other, &process));
        Ok(())
    }

    /// The process behind an instance.
    pub(crate) fn of(&self, id: &str) -> Option<Arc<Process>> {
        self.by_instance.lock().get(id).cloned()
    }

    /// Where servers of ours listen, or are about to.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let running = self
            .by_instance
            .lock()
            .values()
            .map(|process| process.address())
            .collect::<Vec<_>>();
        running
            .into_iter()
            .chain(self.starting.lock().iter().copied())
            .collect()
    }
}

/// Notes an address for as long as it lives.
struct Starting<'a> {
    starting: &'a Mutex<Vec<SocketAddr>>,
    address: SocketAddr,
}

impl<'a> Starting<'a> {
    fn new(starting: &'a Mutex<Vec<SocketAddr>>, address: SocketAddr) -> Self {
        starting.lock().push(address);
        Self { starting, address }
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        let mut starting = self.starting.lock();
        if let Some(at) = starting.iter().position(|address| *address == self.address) {
            starting.swap_remove(at);
        }
    }
}

/// Whether the address can be listened on; if not, by whom it is taken.
async fn is_free(address: SocketAddr, server: Server<'_>) -> Result<(), ProcessError> {
    match TcpListener::bind(address).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let by = match tokio::time::timeout(LOOK, server.version()).await {
                Ok(Ok(version)) => format!(" by an Ollama {version} that this hub did not start"),
                _ => String::new(),
            };
            Err(ProcessError::AddressInUse { address, by })
        }
        Err(error) => Err(ProcessError::Address {
            address,
            reason: error.to_string(),
        }),
    }
}

async fn await_ready(
    process: &Process,
    server: Server<'_>,
    address: SocketAddr,
    limit: Duration,
) -> Result<(), ProcessError> {
    let deadline = Instant::now() + limit;
    let answers = async {
        while !matches!(tokio::time::timeout(LOOK, server.version()).await, Ok(Ok(_))) {
            sleep(POLL).await;
        }
    };
    tokio::select! {
        biased;
        status = process.wait() => {
            return Err(ProcessError::Ended {
                program: process.program().to_owned(),
                status,
                output: process.last_lines(),
            });
        }
        () = answers => {}
        () = tokio::time::sleep_until(deadline) => {
            process.kill().await;
            return Err(ProcessError::NotReady {
                program: process.program().to_owned(),
                address,
                limit,
                output: process.last_lines(),
            });
        }
    }
    Ok(())
}
