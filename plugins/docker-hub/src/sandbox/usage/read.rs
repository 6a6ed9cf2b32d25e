//! What an engine says that a container uses, with the differences between kernels and engines taken out.

use std::time::Instant;

use bollard::models::{ContainerMemoryStats, ContainerStatsResponse};
use plugin_api::contract::probe::Load;

use super::processor::Sample;

/// What a container uses. Absent is not zero: no network has no bytes, and some kernels do not count disks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) load: Load,
    /// Processes and threads.
    pub(crate) processes: Option<u64>,
    /// Bytes of memory it may use.
    pub(crate) memory_limit: Option<u64>,
    /// Seconds of processor time since it started.
    pub(crate) processor_seconds: Option<f64>,
    /// Bytes received and sent.
    pub(crate) network: Option<(u64, u64)>,
    /// Bytes read from and written to disk.
    pub(crate) disk: Option<(u64, u64)>,
}

impl Usage {
    /// Everything but processor use, which takes two looks.
    pub(super) fn of(stats: &ContainerStatsResponse) -> Self {
        let memory = stats.memory_stats.as_ref();
        let used = memory.and_then(memory_used);
        let limit = memory.and_then(|memory| memory.limit).filter(|limit| *limit > 0);
        let (network, disk) = (network(stats), disk(stats));
        let both = |(one, other): (u64, u64)| one.saturating_add(other);
        Self {
            load: Load {
                cpu_percent: None,
                memory_bytes: used,
                memory_percent: used
                    .zip(limit)
                    .map(|(used, limit)| used as f64 * 100.0 / limit as f64),
                disk_io_bytes: disk.map(both),
                network_io_bytes: network.map(both),
            },
            processes: stats.pids_stats.as_ref().and_then(|pids| pids.current),
            memory_limit: limit,
            processor_seconds: stats
                .cpu_stats
                .as_ref()
                .and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage)
                .map(|nanoseconds| nanoseconds as f64 / 1e9),
            network,
            disk,
        }
    }
}

/// Processor time at this look.
pub(super) fn sample(stats: &ContainerStatsResponse, at: Instant) -> Option<Sample> {
    Sample::of(stats.cpu_stats.as_ref()?, at)
}

/// Without the part of the page cache that would be given back. Its name differs between the hierarchies, and the first
/// one has the other name too, for the topmost group alone.
fn memory_used(memory: &ContainerMemoryStats) -> Option<u64> {
    let used = memory.usage?;
    let stats = memory.stats.as_ref();
    let inactive = stats
        .and_then(|stats| {
            stats
                .get("total_inactive_file")
                .or_else(|| stats.get("inactive_file"))
        })
        .copied()
        .unwrap_or(0);
    Some(used.checked_sub(inactive).unwrap_or(used))
}

fn network(stats: &ContainerStatsResponse) -> Option<(u64, u64)> {
    let networks = stats.networks.as_ref().filter(|networks| !networks.is_empty())?;
    let (mut received, mut sent) = (0_u64, 0_u64);
    for network in networks.values() {
        received = received.saturating_add(network.rx_bytes.unwrap_or(0));
        sent = sent.saturating_add(network.tx_bytes.unwrap_or(0));
    }
    Some((received, sent))
}

fn disk(stats: &ContainerStatsResponse) -> Option<(u64, u64)> {
    let entries = stats
        .blkio_stats
        .as_ref()
        .and_then(|disk| disk.io_service_bytes_recursive.as_ref())?;
    // The first hierarchy counts the same bytes again as `Sync`, `Async` and `Total`.
    let sum = |wanted: &str| {
        entries
            .iter()
            .filter(|entry| {
                entry
                    .op
                    .as_deref()
                    .is_some_and(|op| op.eq_ignore_ascii_case(wanted))
            })
            .filter_map(|entry| entry.value)
            .fold(0, u64::saturating_add)
    };
    Some((sum("read"), sum("write")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(stats: Value) -> Usage {
        Usage::of(&serde_json::from_value(stats).unwrap())
    }

    #[test]
    fn cache_that_would_be_given_back_is_not_memory_in_use() {
        let second =
            read(json!({ "memory_stats": { "usage": 100, "limit": 400, "stats": { "inactive_file": 40 } } }));
        assert_eq!(second.load.memory_bytes, Some(60));
        assert_eq!(second.load.memory_percent, Some(15.0));
        let first =
            json!({ "usage": 100, "limit": 400, "stats": { "inactive_file": 5, "total_inactive_file": 30 } });
        assert_eq!(read(json!({ "memory_stats": first })).load.memory_bytes, Some(70));
        // Counted at two moments, the part may exceed the whole.
        let odd = read(json!({ "memory_stats": { "usage": 100, "stats": { "inactive_file": 140 } } }));
        assert_eq!(
            (odd.load.memory_bytes, odd.load.memory_percent),
            (Some(100), None)
        );
    }

    #[test]
    fn bytes_of_disks_and_networks_are_counted_once() {
        let usage = read(json!({
            "networks": { "eth0": { "rx_bytes": 10, "tx_bytes": 1 }, "eth1": { "rx_bytes": 20, "tx_bytes": 2 } },
            "blkio_stats": { "io_service_bytes_recursive": [
                { "op": "Read", "value": 100 }, { "op": "Write", "value": 7 }, { "op": "Sync", "value": 107 },
                { "op": "Total", "value": 107 }, { "op": "read", "value": 11 },
            ] },
            "pids_stats": { "current": 5 },
        }));
        assert_eq!(usage.network, Some((30, 3)));
        assert_eq!(usage.load.network_io_bytes, Some(33));
        assert_eq!(usage.disk, Some((111, 7)));
        assert_eq!(usage.load.disk_io_bytes, Some(118));
        assert_eq!(usage.processes, Some(5));
    }

    #[test]
    fn what_is_not_told_is_absent() {
        assert_eq!(read(json!({})), Usage::default());
        assert_eq!(
            read(json!({ "networks": {}, "blkio_stats": {} })),
            Usage::default()
        );
    }
}
