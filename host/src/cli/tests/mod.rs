//! The command line from outside: what is typed, what the host is asked, what is printed, how it ends.

mod arguments;
mod calls;
mod fixture;
mod hubs;
mod local;
mod manager;
mod running;
mod tables;
mod terminal;
