//! The configuration from outside: what is written, and what comes of it.

mod completion;
mod fixture;
mod golden;
mod precedence;
mod request;
mod robustness;
mod schema;
mod secrets;
mod shipped;
