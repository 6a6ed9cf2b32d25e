//! The host: it loads plugins, runs every hub's resources through one pool engine, and serves the providers.
//!
//! Layers, each of which knows only those below it: [`gateway`] → [`dispatch`] → [`manager`] → [`pool`] →
//! [`plugin`]. [`config`] is plain data for all of them; [`run`] puts them together; [`cli`] is what people type.

pub mod cli;
pub mod config;
pub mod dispatch;
pub mod gateway;
pub mod manager;
mod misfit;
mod patience;
pub mod plugin;
pub mod pool;
pub mod run;
