//! Allocations: resources kept for somebody over many requests, several at once, across hubs, all or nothing.
//!
//! An allocation belongs to the principal that made it and lasts for a time that can be renewed; it ends when it is
//! released, when its time is over, or with the host. What its holder does with the resources is not seen here: each
//! takes a place of its instance (`in_flight`), or, where it is `exclusive`, the whole of it.

mod book;
mod ending;
mod keeper;
mod making;
mod record;
mod take;
mod want;

pub use book::{Allocations, Tally};
pub use ending::Ended;
pub use record::Allocation;
pub use want::{AllocateParams, Wanted};

use std::time::Duration;

/// How long an allocation lasts that says nothing else.
pub const DEFAULT_TTL: Duration = Duration::from_secs(300);

/// The longest time an allocation may ask for at once; it can be renewed.
pub const LONGEST_TTL: Duration = Duration::from_secs(24 * 3600);

/// How long a request for an allocation waits that says nothing else.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// The longest a request for an allocation may wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// How many resources one allocation may have.
pub const MOST_RESOURCES: usize = 32;

/// How many allocations one principal may have at once.
pub const MOST_EACH: usize = 64;
