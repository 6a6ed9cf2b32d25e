//! Locks a process down by the operating system's own means, and then becomes the program.
//!
//! A hub cannot do this itself: namespaces, identities and filters belong to the process that enters them, and a plugin
//! lives in a process with many threads. So the hub starts the host's binary again with the hidden subcommand
//! [`SUBCOMMAND`], hands it a [`Confinement`] on its standard input, and hears [`Event`]s from its standard output:
//!
//! ```text
//! hub ──stdin: description, then open while it lives──▶ outer part ──stdout: handshake──▶ inner part ──exec──▶ program
//!     ◀──────────── stdout: events ─────────────────── waits, ends                      process 1 of the box
//!     ◀──────────────────────────── stderr: whatever the program prints ────────────────────────┘
//! ```
//!
//! The **outer part** stays outside: it joins control groups, writes identity maps, tells when the program listens, and
//! ends the box when its standard input does, which is when the hub stops it or the host dies, however suddenly. The
//! **inner part** is process 1 of the box from its first moment; it builds the file system, gives everything away that
//! the workload does not name, and becomes the program. Should the outer part be killed, the kernel ends the inner one.
//!
//! Nothing is ever run in a weaker box than was described. What this machine cannot enforce is a [`Refusal`] that says
//! how to mend it; [`machine`] tells beforehand what it can.

pub mod cgroup;
mod description;
mod event;
mod frame;
mod inner;
pub mod machine;
mod outer;
pub mod owner;
use outer::identity;
mod refusal;
mod syscalls;

pub use description::{
    Belt, CAPABILITIES, CONTROL_DIRECTORY, CONTROL_SOCKET, Confinement, FIRST_FREE_ID, IDS_OF_A_BOX,
    surplus_capability,
};
pub use event::{End, Event};
pub use frame::write as write_frame;
pub use refusal::Refusal;

use std::process::ExitCode;

/// The subcommand of the host's binary behind which [`run`] is.
pub const SUBCOMMAND: &str = "confine";

/// The argument after [`SUBCOMMAND`] that makes it the inner part.
const INNER: &str = "inner";

/// The argument after [`SUBCOMMAND`] that makes it tell what this machine can do.
pub const REPORT: &str = "report";

/// Runs the launcher, or the part of it that is named. Called from `main`, before there is a second thread.
///
/// Its exit code is the program's, 128 and the signal's number where one ended it, or 125 where it was refused.
pub fn run(part: Option<&str>) -> ExitCode {
    match part {
        None => outer::run(),
        Some(INNER) => inner::run(),
        Some(REPORT) => machine::print(),
        Some(other) => {
            eprintln!("`{other}` is no part of the launcher");
            ExitCode::from(2)
        }
    }
}
