//! From a file to a running plugin.
//!
//! `discovered → verified → staged → loaded`, or `rejected` with a reason: one function and one file for each
//! step, and each writes the same log line. Nothing of a plugin runs before it is staged, and what is opened is
//! never the operator's file but a private copy named by its content. The layers above see the
//! [`driver`] traits and the [`catalogue`] only.

pub mod catalogue;
pub mod crashes;
pub mod driver;
pub mod hash;
pub mod inspect;
pub mod library;
pub mod loader;
pub mod refusal;
pub mod remote;
pub mod stage;
pub mod state;
pub mod verify;

mod elf;
mod keeper;
mod layout;
mod manifest;
mod open;
mod scan;
mod spare;
mod trust;

pub use catalogue::Catalogue;
pub use hash::ContentHash;
pub use inspect::{Inspection, inspect};
pub use library::Library;
pub use loader::Loader;
pub use refusal::{Reason, Refusal};
pub use state::State;
pub use verify::verify;
