//! The engine as a whole, under simulated time.

mod back_pressure;
mod breaker;
mod chaos;
mod drain;
mod health;
mod holds;
mod leases;
mod population;
mod preparation;
mod python_faults;
mod residency;
mod scaling;
mod shutdown;
mod starting;
mod status;
mod strategies;
mod threads;
mod waiting;
mod warm;
