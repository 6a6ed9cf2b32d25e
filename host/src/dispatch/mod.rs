//! From a method or a route to a provider's answer.

mod body;
mod call;
mod caller;
mod callers;
mod explain;
pub mod forward;
mod hints;
mod late;
pub mod relay;
mod serve;
mod services;
mod table;
pub mod upstream;

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::Method;
use plugin_api::Error;

pub use body::Body;
pub use call::MethodInfo;
pub use caller::Caller;
use callers::Callers;
pub use explain::explain;
pub use hints::Hints;
pub use services::{ComponentServices, Scope};
pub use table::{Found, MethodEntry, RouteEntry, Table};
use upstream::Upstream;

use crate::manager::{Manager, ProviderEntry};

/// Finds who answers, and lets them. Cheap to clone; one for the whole host.
#[derive(Clone)]
pub struct Dispatcher {
    table: Arc<ArcSwap<Table>>,
    upstream: Upstream,
    callers: Callers,
    manager: Arc<Manager>,
}

impl Dispatcher {
    /// A dispatcher that knows nobody yet.
    pub fn new(manager: Arc<Manager>) -> Self {
        Self {
            table: Arc::default(),
            upstream: Upstream::new(),
            callers: Callers::default(),
            manager,
        }
    }

    /// Everything a provider offers is answered from now on.
    ///
    /// # Errors
    /// A path or a method is taken; then nothing of it is.
    pub fn publish(&self, provider: &Arc<ProviderEntry>) -> Result<(), Error> {
        let table = self.table.load().add(provider)?;
        self.table.store(Arc::new(table));
        Ok(())
    }

    /// From now on these providers answer, and no others.
    ///
    /// # Errors
    /// Two offer the same; then nothing has changed.
    pub fn republish(&self, providers: &[Arc<ProviderEntry>]) -> Result<(), Error> {
        let empty = Table::default();
        let table = providers
            .iter()
            .try_fold(empty, |table, provider| table.add(provider))?;
        self.table.store(Arc::new(table));
        Ok(())
    }

    /// Who answers at a path.
    pub fn find(&self, method: &Method, path: &str) -> Found {
        self.table.load().find(method, path)
    }

    /// Every route, for lists.
    pub fn routes(&self) -> serde_json::Value {
        self.table.load().routes()
    }

    /// What it works with.
    pub fn manager(&self) -> &Arc<Manager> {
        &self.manager
    }

    /// Connections to instances.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}
