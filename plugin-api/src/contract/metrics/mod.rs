//! Metrics: what an instance and a hub have done, cheap to count and exact to add up.
//!
//! Everything here is recorded with relaxed atomics and no lock, on the path of every request. Snapshots are
//! plain values: those of instances are merged bucket by bucket into that of a hub, so a hub's p99 is the
//! p99 of its requests. (The Python system averaged averages, kept the last hundred samples only, counted a
//! failed HTTP request twice and so showed error rates of 133 %.)
//!
//! | type | it is |
//! | --- | --- |
//! | [`InstanceMetrics`] | the counters of one instance, and the two signals the balancer reads |
//! | [`HubMetrics`] | what belongs to no single instance: queue, retries, refusals |
//! | [`InstanceSnapshot`], [`HubSnapshot`] | their values at a moment; serialise as status shows them |
//! | [`LatencyHistogram`], [`LatencySnapshot`] | a distribution of durations |
//! | [`ErrorRate`], [`PeakEwma`] | recent error rate and latency, each one atomic word |
//! | [`OutcomeCounters`], [`OutcomeCounts`] | requests by outcome |

mod hub;
mod instance;
mod latency;
mod outcomes;
mod recent;

pub use hub::{HubMetrics, HubSnapshot, Refused};
pub use instance::{InstanceMetrics, InstanceSnapshot};
pub use latency::{LatencyHistogram, LatencySnapshot, LatencySummary};
pub use outcomes::{OutcomeCounters, OutcomeCounts};
pub use recent::{ErrorRate, PeakEwma};

#[cfg(test)]
mod tests;
