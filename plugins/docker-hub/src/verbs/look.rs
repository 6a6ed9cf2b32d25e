//! Verbs that only look.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters::{
    EventsOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder, LogsOptionsBuilder,
};
use futures_util::StreamExt as _;
use plugin_api::Error;
use serde_json::{Value, json};

use super::Call;
use super::arguments::{Container, Events, List, Logs, Nothing};
use super::inside::Output;
use crate::engine::Engine;
use crate::error::DockerError;
use crate::sandbox::label::{KIND, MACHINE};
use crate::sandbox::usage;

/// A container by name or id.
pub(super) async fn find(engine: &Engine, container: &str) -> Result<ContainerInspectResponse, DockerError> {
    let look = engine
        .client()
        .inspect_container(container, None::<InspectContainerOptions>);
    engine.call("look at a container", look).await
}

pub(super) async fn list(mut call: Call<'_>) -> Result<Value, Error> {
    let List { all, ours } = call.read()?;
    let filters = HashMap::from([("label", vec![MACHINE])]);
    let mut options = ListContainersOptionsBuilder::new().all(all);
    if ours {
        options = options.filters(&filters);
    }
    let engine = &call.engine;
    let containers = engine.client().list_containers(Some(options.build()));
    let containers = engine.call("list its containers", containers).await?;
    Ok(containers.iter().map(row).collect())
}

fn row(container: &ContainerSummary) -> Value {
    let names = container
        .names
        .iter()
        .flatten()
        .map(|name| name.trim_start_matches('/'));
    json!({
        "id": container.id.as_deref().map(|id| id.get(..12).unwrap_or(id)),
        "name": names.collect::<Vec<_>>().join(", "),
        "image": container.image,
        "state": container.state,
        "status": container.status,
        "created": container.created,
        "kind": container.labels.as_ref().and_then(|labels| labels.get(KIND)),
    })
}

pub(super) async fn inspect(mut call: Call<'_>) -> Result<Value, Error> {
    let Container { container, .. } = call.read()?;
    Ok(json!(find(&call.engine, &container).await?))
}

pub(super) async fn stats(mut call: Call<'_>) -> Result<Value, Error> {
    let Container { container, .. } = call.read()?;
    let usage = usage::now(&call.engine, &container).await?;
    let load = &usage.load;
    Ok(json!({
        "cpu_percent": load.cpu_percent,
        "cpu_seconds": usage.processor_seconds,
        "memory_bytes": load.memory_bytes,
        "memory_percent": load.memory_percent,
        "memory_limit_bytes": usage.memory_limit,
        "processes": usage.processes,
        "disk_read_bytes": usage.disk.map(|(read, _)| read),
        "disk_written_bytes": usage.disk.map(|(_, written)| written),
        "disk_io_bytes": load.disk_io_bytes,
        "network_received_bytes": usage.network.map(|(received, _)| received),
        "network_sent_bytes": usage.network.map(|(_, sent)| sent),
        "network_io_bytes": load.network_io_bytes,
    }))
}

pub(super) async fn logs(mut call: Call<'_>) -> Result<Value, Error> {
    let Logs {
        container,
        tail,
        since,
        follow,
        output_bytes,
        ..
    } = call.read()?;
    let since = since.map_or(0, |ago| now().saturating_sub(u64::from(ago)));
    let options = LogsOptionsBuilder::new()
        .stdout(true)
        .stderr(true)
        .follow(follow)
        .tail(&tail.to_string())
        .since(i32::try_from(since).unwrap_or(i32::MAX))
        .build();
    let engine = &call.engine;
    let what = "give a container's logs";
    let mut output = Output::new(follow.then_some(call.progress), output_bytes);
    let mut pieces = Box::pin(engine.client().logs(&container, Some(options)));
    // Only what follows may be silent for long.
    let pause = if follow {
        Duration::MAX
    } else {
        call.hub.config().call_timeout.0
    };
    loop {
        match tokio::time::timeout(pause, pieces.next()).await {
            Ok(Some(piece)) => output.take(piece.map_err(|error| engine.explain(what, error))?),
            Ok(None) => return Ok(output.into_object()),
            Err(_) => {
                return Err(DockerError::TimedOut {
                    engine: engine.url().to_owned(),
                    what,
                    limit: pause,
                }
                .into());
            }
        }
    }
}

pub(super) async fn events(mut call: Call<'_>) -> Result<Value, Error> {
    let Events { since, seconds } = call.read()?;
    let filters = HashMap::from([("type", vec!["container", "image"])]);
    let from = now().saturating_sub(u64::from(since.unwrap_or(0)));
    let options = EventsOptionsBuilder::new()
        .filters(&filters)
        .since(&from.to_string())
        .build();
    let engine = &call.engine;
    let mut told = 0_u64;
    let listening = async {
        let mut events = Box::pin(engine.client().events(Some(options)));
        while let Some(event) = events.next().await {
            let event = event.map_err(|error| engine.explain("tell what happens", error))?;
            told += 1;
            let actor = event.actor.unwrap_or_default();
            let attributes = actor.attributes.unwrap_or_default();
            call.progress.report(json!({
                "time": event.time,
                "type": event.typ,
                "action": event.action,
                "id": actor.id,
                "name": attributes.get("name"),
                "image": attributes.get("image"),
                "exit_code": attributes.get("exitCode"),
            }));
        }
        Ok::<_, DockerError>(())
    };
    let limit = seconds.map_or(Duration::MAX, |seconds| Duration::from_secs(u64::from(seconds)));
    match tokio::time::timeout(limit, listening).await {
        Ok(Err(error)) => Err(error.into()),
        Ok(Ok(())) | Err(_) => Ok(json!({ "events": told })),
    }
}

pub(super) async fn capabilities(mut call: Call<'_>) -> Result<Value, Error> {
    let Nothing {} = call.read()?;
    Ok(Value::Object(call.engine.look().await?.as_object()))
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
