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

/// A request that needs an administrator's key and came with another.
pub fn needs_admin(what: &str) -> Error {
    Error::new(
        ErrorCode::FORBIDDEN,
        Fault::Client,
        format!("{what} changes the fleet, which this key may not"),
    )
    .hint("use a key with `admin = true`")
}
