//! The connections that are open, so that they can be ended all at once.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::line::Line;

/// The open connections of one server. The lock protects the map alone.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    lines: HashMap<u64, (Arc<Line>, Option<AbortHandle>)>,
    next: u64,
}

impl Connections {
    /// Registers a connection until the guard is dropped, which its task does as it ends.
    pub(super) fn enter(self: &Arc<Self>, line: Arc<Line>) -> ConnectionGuard {
        let mut open = self.0.lock();
        open.next += 1;
        let id = open.next;
        open.lines.insert(id, (line, None));
        ConnectionGuard {
            id,
            all: Arc::clone(self),
        }
    }

    /// Says which task serves the connection; nothing if that has ended already.
    pub(super) fn served_by(&self, id: u64, task: AbortHandle) {
        if let Some((_, handle)) = self.0.lock().lines.get_mut(&id) {
            *handle = Some(task);
        }
    }

    /// Resets every connection and stops the tasks that serve them.
    pub(super) fn reset_all(&self) {
        for (line, task) in self.0.lock().lines.values() {
            line.reset();
            if let Some(task) = task {
                task.abort();
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.lock().lines.len()
    }
}

/// One open connection.
#[derive(Debug)]
pub(super) struct ConnectionGuard {
    pub(super) id: u64,
    all: Arc<Connections>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.all.0.lock().lines.remove(&self.id);
    }
}
