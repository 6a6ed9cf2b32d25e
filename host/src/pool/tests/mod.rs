//! The engine as a whole, under simulated time.

mod leases;
