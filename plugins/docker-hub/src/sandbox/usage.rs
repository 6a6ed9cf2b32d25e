//! How a box is, and what it uses.

use std::collections::BTreeMap;

use bollard::models::{ContainerStatsResponse, HealthStatusEnum};
use bollard::query_parameters::{InspectContainerOptions, StatsOptionsBuilder};
use futures_util::StreamExt as _;
use plugin_api::contract::probe::{Load, Probe};
use plugin_api::{Error, ErrorCode};

use super::Sandbox;
use crate::engine::Engine;
use crate::error::DockerError;

/// Looks at a box.
pub(crate) async fn probe(sandbox: &Sandbox) -> Result<Probe, DockerError> {
    let engine = &sandbox.engine;
    let look = engine
        .client()
        .inspect_container(&sandbox.container, None::<InspectContainerOptions>);
    let found = engine.call("look at a container", look).await?;
    let state = found.state.unwrap_or_default();
    if state.running != Some(true) || state.paused == Some(true) {
        let status = state.status.map(|status| status.to_string()).unwrap_or_default();
        let message = format!("the container does not run: {status}");
        return Err(Error::instance(ErrorCode::UNHEALTHY, message).into());
    }
    let health = state.health.and_then(|health| health.status);
    let degraded =
        matches!(health, Some(HealthStatusEnum::UNHEALTHY)).then(|| "its own health check fails".to_owned());
    Ok(Probe {
        degraded,
        load: stats(engine, &sandbox.container)
            .await
            .map(|stats| load(&stats))
            .unwrap_or_default(),
        gauges: BTreeMap::from([("out_of_memory".to_owned(), sandbox.ooms() as f64)]),
        ..Probe::default()
    })
}

/// One look at what a container uses, without the second that engines wait for a rate of their own.
pub(crate) async fn stats(engine: &Engine, container: &str) -> Result<ContainerStatsResponse, DockerError> {
    let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
    let what = "tell what a container uses";
    let first = async {
        let mut stats = Box::pin(engine.client().stats(container, Some(options)));
        stats.next().await.transpose()
    };
    let stats = engine.call(what, first).await?;
    stats.ok_or_else(|| DockerError::Nonsense {
        engine: engine.url().to_owned(),
        what,
        reason: "it said nothing".to_owned(),
    })
}

/// What of it the engine of this host can use. Processor use needs two looks; it is in `stats` for those who ask.
pub(crate) fn load(stats: &ContainerStatsResponse) -> Load {
    let memory = stats.memory_stats.as_ref();
    let inactive = memory.and_then(|memory| memory.stats.as_ref()).and_then(|stats| {
        // The page cache that would be given back; its name differs between the hierarchies.
        stats
            .get("inactive_file")
            .or_else(|| stats.get("total_inactive_file"))
            .copied()
    });
    let used = memory
        .and_then(|memory| memory.usage)
        .map(|used| used.saturating_sub(inactive.unwrap_or(0)));
    let limit = memory.and_then(|memory| memory.limit).filter(|limit| *limit > 0);
    let disk = stats
        .blkio_stats
        .as_ref()
        .and_then(|disk| disk.io_service_bytes_recursive.as_ref());
    let disk = disk.map(|entries| {
        entries
            .iter()
            .filter(|entry| {
                entry
                    .op
                    .as_deref()
                    .is_some_and(|op| op.eq_ignore_ascii_case("read") || op.eq_ignore_ascii_case("write"))
            })
            .filter_map(|entry| entry.value)
            .sum()
    });
    let network = stats.networks.as_ref().map(|networks| {
        networks
            .values()
            .map(|network| network.rx_bytes.unwrap_or(0) + network.tx_bytes.unwrap_or(0))
            .sum()
    });
    Load {
        cpu_percent: None,
        memory_bytes: used,
        memory_percent: used
            .zip(limit)
            .map(|(used, limit)| used as f64 * 100.0 / limit as f64),
        disk_io_bytes: disk,
        network_io_bytes: network,
    }
}
