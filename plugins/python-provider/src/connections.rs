//! Connections to boxes that nobody holds at the moment: the next lease of the same box finds its own again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use plugin_api::ResourceInstance;

use crate::runner::{Connection, Lost};

/// Above so many, those of boxes that are gone are looked for.
const MANY: usize = 128;

/// Idle connections, by the id of their instance.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<HashMap<String, Connection>>);

impl Connections {
    fn held(&self) -> MutexGuard<'_, HashMap<String, Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to a box: its own, or a new one.
    ///
    /// # Errors
    /// There is nobody to talk to.
    pub(crate) async fn take(&self, instance: &ResourceInstance) -> Result<Connection, Lost> {
        let known = self.held().remove(&instance.id);
        if let Some(connection) = known.filter(Connection::is_idle) {
            return Ok(connection);
        }
        let url = instance
            .endpoint
            .as_ref()
            .map_or("", |endpoint| endpoint.url.as_str());
        let path = url.strip_prefix("unix:").unwrap_or(url);
        Connection::open(path.strip_prefix("//").unwrap_or(path)).await
    }

    /// Keeps a connection for the next lease. Called before the lease is given back: no more than one is open at a time.
    pub(crate) fn put(&self, instance: &str, connection: Connection) {
        let mut held = self.held();
        if held.len() >= MANY {
            held.retain(|_, connection| connection.is_idle());
        }
        held.insert(instance.to_owned(), connection);
    }
}
