//! How a box is, and what it uses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bollard::models::{ContainerStatsResponse, HealthStatusEnum};
use bollard::query_parameters::{InspectContainerOptions, StatsOptionsBuilder};
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use plugin_api::contract::probe::Probe;
use plugin_api::{Error, ErrorCode};

use super::Sandbox;
use crate::engine::Engine;
use crate::error::DockerError;

mod processor;
mod read;

use processor::Meter;
pub(crate) use read::Usage;

/// Between two looks where there was none before: long enough for kernels that count in hundredths of a second.
const BETWEEN: Duration = Duration::from_millis(250);

/// What is remembered of a box from one look to the next.
#[derive(Debug, Default)]
pub(crate) struct Account {
    meter: Meter,
    last: Mutex<Option<Usage>>,
}

impl Account {
    /// Takes a look into the account, and adds to it what only two looks tell.
    fn enter(&self, stats: &ContainerStatsResponse, at: Instant) -> Usage {
        let mut usage = Usage::of(stats);
        usage.load.cpu_percent = self.meter.percent(read::sample(stats, at));
        *self.last.lock() = Some(usage.clone());
        usage
    }
}

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
    let usage = stats(engine, &sandbox.container)
        .await
        .map(|stats| sandbox.account.enter(&stats, Instant::now()))
        .unwrap_or_default();
    let mut gauges = BTreeMap::from([("out_of_memory".to_owned(), sandbox.ooms() as f64)]);
    gauges.extend(
        usage
            .processes
            .map(|processes| ("processes".to_owned(), processes as f64)),
    );
    Ok(Probe {
        degraded,
        load: usage.load,
        gauges,
        ..Probe::default()
    })
}

/// What the boxes of an engine use together, as each was last seen: gauges of the engine, which cost it nothing.
pub(crate) fn together(boxes: &[Arc<Sandbox>]) -> BTreeMap<String, f64> {
    let known: Vec<Usage> = boxes
        .iter()
        .filter_map(|sandbox| sandbox.account.last.lock().clone())
        .collect();
    let sum = |of: fn(&Usage) -> Option<f64>| known.iter().filter_map(of).sum::<f64>();
    BTreeMap::from([
        ("boxes".to_owned(), boxes.len() as f64),
        (
            "boxes_cpu_percent".to_owned(),
            sum(|usage| usage.load.cpu_percent),
        ),
        (
            "boxes_memory_bytes".to_owned(),
            sum(|usage| usage.load.memory_bytes.map(|bytes| bytes as f64)),
        ),
        (
            "boxes_processes".to_owned(),
            sum(|usage| usage.processes.map(|processes| processes as f64)),
        ),
    ])
}

/// What any container uses, looked at twice so that processor use is known too.
pub(crate) async fn now(engine: &Engine, container: &str) -> Result<Usage, DockerError> {
    let account = Account::default();
    account.enter(&stats(engine, container).await?, Instant::now());
    tokio::time::sleep(BETWEEN).await;
    Ok(account.enter(&stats(engine, container).await?, Instant::now()))
}

/// One look at what a container uses, without the second that engines wait for a rate of their own.
async fn stats(engine: &Engine, container: &str) -> Result<ContainerStatsResponse, DockerError> {
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
