//! Boxes for code that nobody trusts: containers that [`Hub::start`](plugin_api::Hub::start) makes of workloads.
//!
//! Three things end a box: being stopped or its lifetime (killed), the end of the host however sudden (its standard
//! input ends, and with it process 1), and, where all that failed, a [sweep](sweep) by labels. That a box has ended is
//! seen by its watch and by the engine's events, whichever comes first.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bollard::query_parameters::RemoveContainerOptionsBuilder;
use parking_lot::Mutex;
use plugin_api::Host;
use tokio::sync::watch;
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
pub(crate) mod unfinished;
pub(crate) mod usage;
mod verify;

use channel::Line;
use directory::{Directory, Pinned};

pub(crate) use start::Starter;

/// How long after a box was killed one waits for the word that memory had run out.
const WORD_ON_MEMORY: Duration = Duration::from_millis(300);

/// A box that is killed so soon after memory had run out in it was killed for that.
const COINCIDENCE: Duration = Duration::from_secs(2);

/// A box that runs. Dropping it lets go of its standard input, hence ends it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// The id of the instance.
    pub(crate) instance: String,
    /// The id of the container.
    pub(crate) container: String,
    pub(crate) engine: Arc<Engine>,
    /// How often memory ran out in it, as events tell.
    ooms: AtomicU64,
    /// When it last did.
    last_oom: Mutex<Option<Instant>>,
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
        self.ooms.load(Ordering::Relaxed)
    }

    fn count_oom(&self) {
        self.ooms.fetch_add(1, Ordering::Relaxed);
        *self.last_oom.lock() = Some(Instant::now());
    }

    /// Whether memory has just run out in it, so that its end is no coincidence.
    fn is_out_of_memory(&self) -> bool {
        let last = self.last_oom.lock();
        last.is_some_and(|last| last.elapsed() < COINCIDENCE)
    }
}

/// The boxes that run, by container. The lock is never held across an await.
#[derive(Debug)]
pub(crate) struct Sandboxes {
    host: Host,
    by_container: Mutex<HashMap<String, Arc<Sandbox>>>,
    /// Those that were let go of and could not be removed, by instance: where they are, and their containers.
    unremoved: Mutex<HashMap<String, (Arc<Engine>, String)>>,
    /// How often memory ran out in containers that are no boxes yet, or none any more.
    early_ooms: Mutex<HashMap<String, u64>>,
    /// Rung at each `oom` and `die` of an engine.
    heard: watch::Sender<()>,
}

impl Sandboxes {
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            by_container: Mutex::default(),
            unremoved: Mutex::default(),
            early_ooms: Mutex::default(),
            heard: watch::channel(()).0,
        }
    }

    fn add(&self, sandbox: Arc<Sandbox>) {
        self.by_container
            .lock()
            .insert(sandbox.container.clone(), sandbox);
    }

    /// The box behind an instance.
    pub(crate) fn of(&self, instance: &str) -> Option<Arc<Sandbox>> {
        let boxes = self.by_container.lock();
        boxes
            .values()
            .find(|sandbox| sandbox.instance == instance)
            .cloned()
    }

    /// Those on an engine.
    pub(crate) fn on(&self, engine: &str) -> Vec<Arc<Sandbox>> {
        let boxes = self.by_container.lock();
        boxes
            .values()
            .filter(|sandbox| sandbox.engine.instance() == engine)
            .cloned()
            .collect()
    }

    /// Whether a container is one of them.
    pub(crate) fn has(&self, container: &str) -> bool {
        self.by_container.lock().contains_key(container)
    }

    /// Memory ran out in a container: the engine killed something in it, not necessarily process 1.
    pub(crate) fn out_of_memory(&self, container: &str) {
        match self.by_container.lock().get(container) {
            Some(sandbox) => {
                sandbox.count_oom();
                self.host.publish(
                    "out_of_memory",
                    serde_json::json!({ "instance": sandbox.instance, "container": container }),
                );
            }
            None => *self.early_ooms.lock().entry(container.to_owned()).or_default() += 1,
        }
        self.heard.send_replace(());
    }

    /// A container has ended. Whoever holds it is told; everything of it on this machine goes.
    pub(crate) fn ended(&self, container: &str, reason: &str) {
        let ended = self.by_container.lock().remove(container);
        self.early_ooms.lock().remove(container);
        if let Some(sandbox) = ended {
            self.tell(&sandbox, reason);
        }
    }

    /// A container was killed, nobody knows by whom. Where that was the kernel for want of memory, the word on it comes on
    /// another way, and may come a little later.
    pub(crate) async fn killed(&self, container: &str, reason: &str) {
        // Taken out first: that it is then removed is no news, and no reason.
        let Some(sandbox) = self.by_container.lock().remove(container) else {
            return;
        };
        let mut heard = self.heard.subscribe();
        let word = async {
            while !sandbox.is_out_of_memory()
                && !self.early_ooms.lock().contains_key(container)
                && heard.changed().await.is_ok()
            {}
        };
        let _ = tokio::time::timeout(WORD_ON_MEMORY, word).await;
        let late = self.early_ooms.lock().remove(container).is_some();
        if late || sandbox.is_out_of_memory() {
            // In the words of every hub that starts boxes, and first.
            self.tell(&sandbox, &format!("out of memory; {reason}"));
        } else {
            self.tell(&sandbox, reason);
        }
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
            let boxes = self.by_container.lock();
            boxes.get(container).map(|sandbox| sandbox.engine.clone())
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
        self.by_container.lock().remove(&container);
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
