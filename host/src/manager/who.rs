//! Who asks the manager for something.

use std::sync::Arc;

use plugin_api::contract::requirement::Priority;
use plugin_api::{Context, Error, ErrorCode, Fault};

/// Who asks the manager for something.
#[derive(Debug, Clone)]
pub struct Who {
    /// The name of the caller's key.
    pub principal: Arc<str>,
    /// Whether it may change the fleet.
    pub admin: bool,
    /// The highest class in the queues it may ask for.
    pub max_priority: Priority,
    /// The call.
    pub context: Context,
}

/// Who looks at the fleet: an administrator sees whose everything is, others only what is their own.
#[derive(Debug, Clone, Copy)]
pub struct Viewer<'a> {
    /// The name of the viewer's key.
    pub principal: &'a str,
    /// Whether it is an administrator's.
    pub admin: bool,
}

impl Viewer<'_> {
    /// Whether it may know what this caller has.
    pub fn sees(&self, principal: &str) -> bool {
        self.admin || self.principal == principal
    }
}

impl Who {
    /// Who asks, as far as only looking goes.
    pub fn viewer(&self) -> Viewer<'_> {
        Viewer {
            principal: &self.principal,
            admin: self.admin,
        }
    }
}

/// A request that needs an administrator's key and came with another.
pub fn needs_admin(what: &str) -> Error {
    Error::new(
        ErrorCode::FORBIDDEN,
        Fault::Client,
        format!("{what} changes the fleet, which this key may not"),
    )
    .hint("use a key with `admin = true`")
}
