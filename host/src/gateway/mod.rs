//! HTTP: JSON-RPC, the providers' surfaces, health and metrics.
//!
//! The gateway authenticates, bounds what callers may cost, and hands requests on; it knows no dialect. A few
//! network threads (`worker`) each serve their connections (`connection`, `socket`, `watch`); a request goes
//! through `handle`: what is it for (`target`), may it (`admit`), its body (`body`), then the [`backend`]. Bodies and
//! answers in memory have budgets (`budget`, `held`). What the
//! gateway answers itself is in `rpc`, `events` and `health`.

mod admit;
mod answer;
pub mod backend;
mod bad_head;
mod body;
mod budget;
mod connection;
mod events;
mod failure;
mod handle;
mod health;
mod held;
mod keys;
mod metrics;
mod origin;
mod request_id;
mod rpc;
mod server;
mod site;
mod slots;
mod socket;
mod target;
mod ticket;
mod watch;
mod worker;

pub use backend::{Admin, Asker, Backend};
pub use server::Gateway;

#[cfg(test)]
mod tests;
