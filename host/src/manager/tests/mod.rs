//! The manager under simulated time, with hubs that do what the test says.

mod allocations;
mod contention;
mod fixture;
mod hubs;
mod optimise;
mod python_faults;
mod totals;
mod warm;
