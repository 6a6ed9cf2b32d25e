//! The gateway over real sockets, with a fake behind it.

mod answers;
mod bad_input;
mod events;
mod fake;
mod guard;
mod health;
mod limits;
mod requests;
mod rpc;
mod stopping;
mod support;
