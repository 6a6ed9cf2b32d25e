//! Boxes for code that nobody trusts: containers that [`Hub::start`](plugin_api::Hub::start) makes of workloads.
//!
//! Three things end a box: being stopped or its lifetime (killed), the end of the host however sudden (its standard
//! input ends, and with it process 1), and, where all that failed, a [sweep](sweep) by labels. That a box has ended is
//! seen by its watch and by the engine's events, whichever comes first.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use bollard::query_parameters::RemoveContainerOptionsBuilder;
use parking_lot::Mutex;
use plugin_api::Host;
use plugin_api::contract::workload::OUT_OF_MEMORY;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::engine::Engine;
use crate::error::DockerError;

pub(crate) mod admit;
mod channel;
pub(crate) mod directory;
mod ending;
mod finish;
pub(crate) mod label;
pub(crate) mod plan;
pub(crate) mod seccomp;
mod start;
pub(crate) mod sweep;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod unfinished;
pub(crate) mod usage;
mod verify;
mod word;

use channel::Line;
use directory::{Directory, Pinned};
use word::Word;

pub(crate) use start::Starter;

/// So many boxes that end are waited with for the word on memory, and so many words on containers that are no boxes are kept.
const MANY: usize = 256;

/// A box that runs. Dropping it lets go of its standard input, hence ends it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// The id of the instance.
    pub(crate) instance: String,
    /// The id of the container.
    pub(crate) container: String,
    pub(crate) engine: Arc<Engine>,
    word: Word,
    account: usage::Account,
    line: Line,
    /// Before the directory, which it leads into.
    _socket: Option<Pinned>,
    _directory: Directory,
    watch: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl Sandbox {
    /// How often memory ran out in it.
    pub(crate) fn ooms(&self) -> u64 {
        self.word.ooms()
    }
}

/// The boxes there are. The locks are never held across an await.
#[derive(Debug)]
pub(crate) struct Sandboxes {
    host: Host,
    known: Mutex<Known>,
    /// Those that were let go of and could not be removed, by instance: where they are, and their containers.
    unremoved: Mutex<HashMap<String, (Arc<Engine>, String)>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Those that run, by container.
    running: HashMap<String, Arc<Sandbox>>,
    /// Those that were killed and are not told of yet, by container.
    ending: HashMap<String, Arc<Sandbox>>,
    /// When memory ran out in containers that are no boxes yet, the oldest first.
    early: VecDeque<(String, Instant)>,
}

impl Sandboxes {
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            known: Mutex::default(),
            unremoved: Mutex::default(),
        }
    }

    fn add(&self, sandbox: Arc<Sandbox>) {
        let mut known = self.known.lock();
        known.early.retain(|(container, at)| {
            let is_its = *container == sandbox.container;
            if is_its {
                sandbox.word.out_of_memory(*at);
            }
            !is_its
        });
        known.running.insert(sandbox.container.clone(), sandbox);
    }

    fn take_out(&self, container: &str) -> Option<Arc<Sandbox>> {
        self.known.lock().running.remove(container)
    }

    /// The box behind an instance.
    pub(crate) fn of(&self, instance: &str) -> Option<Arc<Sandbox>> {
        let known = self.known.lock();
        known
            .running
            .values()
            .find(|sandbox| sandbox.instance == instance)
            .cloned()
    }

    /// Those on an engine.
    pub(crate) fn on(&self, engine: &str) -> Vec<Arc<Sandbox>> {
        let known = self.known.lock();
        known
            .running
            .values()
            .filter(|sandbox| sandbox.engine.instance() == engine)
            .cloned()
            .collect()
    }

    /// Whether a container is one of them.
    pub(crate) fn has(&self, container: &str) -> bool {
        self.known.lock().running.contains_key(container)
    }

    /// Memory ran out in a container: the engine killed something in it, not necessarily process 1.
    pub(crate) fn out_of_memory(&self, container: &str) {
        let now = Instant::now();
        let sandbox = {
            let mut known = self.known.lock();
            let sandbox = known.running.get(container).or(known.ending.get(container));
            let sandbox = sandbox.cloned();
            if sandbox.is_none() {
                known.early.push_back((container.to_owned(), now));
                let over = known.early.len().saturating_sub(MANY);
                known.early.drain(..over);
            }
            sandbox
        };
        let Some(sandbox) = sandbox else { return };
        sandbox.word.out_of_memory(now);
        self.host.publish(
            "out_of_memory",
            serde_json::json!({ "instance": sandbox.instance, "container": container }),
        );
    }

    /// A container has ended. Whoever holds it is told; everything of it on this machine goes.
    pub(crate) fn ended(&self, container: &str, reason: &str) {
        if let Some(sandbox) = self.take_out(container) {
            self.tell(&sandbox, reason);
        }
    }

    /// An engine has a container no more. Of one that has ended before that is no news, and no reason.
    pub(crate) fn removed(&self, container: &str) {
        let ending = self.known.lock().ending.get(container).cloned();
        match ending {
            Some(sandbox) => sandbox.word.removed(),
            None => self.ended(container, "somebody removed it"),
        }
    }

    /// A container was killed, nobody knows by whom. Where that was the kernel for want of memory, the word on it comes on
    /// another way, and may come a little later: so whoever holds it is told by the task that this returns, which nobody
    /// needs to wait for. `None` where there is nobody to tell.
    pub(crate) fn killed(self: &Arc<Self>, container: &str, reason: &str) -> Option<JoinHandle<()>> {
        let sandbox = {
            let mut known = self.known.lock();
            let sandbox = known.running.remove(container)?;
            if known.ending.len() < MANY {
                known.ending.insert(container.to_owned(), sandbox.clone());
            } else {
                // Nothing more will reach it.
                sandbox.word.removed();
            }
            sandbox
        };
        let (boxes, reason) = (self.clone(), reason.to_owned());
        Some(tokio::spawn(async move {
            let is_memory = sandbox.word.is_memory().await;
            boxes.known.lock().ending.remove(&sandbox.container);
            if is_memory {
                // In the words of every hub that starts boxes, and first.
                boxes.tell(&sandbox, &format!("{OUT_OF_MEMORY}; {reason}"));
            } else {
                boxes.tell(&sandbox, &reason);
            }
        }))
    }

    fn tell(&self, sandbox: &Sandbox, reason: &str) {
        let reason = format!("the container ended ({reason}){}", sandbox.line.tail().told());
        let container = &sandbox.container;
        tracing::info!(instance = sandbox.instance, container, reason, "a box has ended");
        self.host.lost(&sandbox.instance, &reason);
        // The watch may be who calls: it must not end itself before it is done.
        drop(sandbox.watch.lock().take().map(AbortOnDropHandle::detach));
    }

    /// Somebody has paused a container. Code that stands still meets no deadline, and whoever waits for it hears nothing: so
    /// a box is ended, and that is told.
    pub(crate) fn paused(&self, container: &str) {
        let engine = {
            let known = self.known.lock();
            known.running.get(container).map(|sandbox| sandbox.engine.clone())
        };
        let Some(engine) = engine else { return };
        self.ended(container, "somebody paused it");
        let container = container.to_owned();
        tokio::spawn(async move {
            if let Err(error) = remove(&engine, &container).await {
                tracing::warn!(container, %error, "a box that was paused is not removed yet");
            }
        });
    }

    /// Takes a box out and ends it. Dropping the future does not take that back. One that cannot be removed is
    /// remembered, so that the next attempt does not take it for one that has ended.
    pub(crate) async fn stop(self: &Arc<Self>, instance: &str) -> Result<(), DockerError> {
        let sandbox = self.of(instance);
        let found = match &sandbox {
            Some(sandbox) => Some((sandbox.engine.clone(), sandbox.container.clone())),
            None => self.unremoved.lock().get(instance).cloned(),
        };
        let Some((engine, container)) = found else {
            // It ended by itself, which is what was wanted.
            return Ok(());
        };
        self.take_out(&container);
        let (boxes, instance) = (self.clone(), instance.to_owned());
        let removal = tokio::spawn(async move {
            let removed = remove(&engine, &container).await;
            if let Some(sandbox) = sandbox {
                drop(sandbox.watch.lock().take());
            }
            let mut unremoved = boxes.unremoved.lock();
            if removed.is_ok() {
                unremoved.remove(&instance);
            } else {
                unremoved.insert(instance, (engine, container));
            }
            drop(unremoved);
            removed
        });
        match removal.await {
            Ok(removed) => removed,
            Err(error) => Err(plugin_api::Error::plugin(error.to_string()).into()),
        }
    }
}

/// What comes of asking for a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is gone.
    Done,
    /// It was being removed already, and is not gone yet; some engines say so of a container for ever.
    UnderWay,
}

/// Kills and removes a container, one that is paused too.
pub(crate) async fn ask_to_remove(engine: &Engine, container: &str) -> Result<Removal, DockerError> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    let removed = engine
        .call(
            "remove a container",
            engine.client().remove_container(container, Some(options)),
        )
        .await;
    match removed {
        Err(DockerError::Answer { status: 409, .. }) => Ok(Removal::UnderWay),
        Err(DockerError::Answer { status: 404, .. }) => Ok(Removal::Done),
        removed => removed.map(|()| Removal::Done),
    }
}

/// The same, where all that matters is that it has ended.
pub(crate) async fn remove(engine: &Engine, container: &str) -> Result<(), DockerError> {
    ask_to_remove(engine, container).await.map(drop)
}

/// The socket that leads into a box, as the path of an endpoint.
fn endpoint(path: &Path) -> String {
    format!("unix:{}", path.display())
}
