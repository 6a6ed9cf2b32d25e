//! The runner: the Python program that this plugin puts into every box, and the host's end of its protocol.

mod connection;
mod frames;
mod messages;
mod source;

pub use connection::{Connection, Lost};
pub(crate) use frames::named;
pub use frames::{Bad, Frame, Kind};
pub use messages::{Collect, Control, Counts, End, Hello, Job, Truncated};
pub use source::command;
